// node-redis's client-side cache through the sidecar: what others change is seen, and nothing is asked twice.
// Usage: caching.mjs PORT DATABASE-PORT PASSWORD; the database's own port is for counting what reaches it.
import assert from 'node:assert';
import { createClient } from 'redis';

const [port, database, password] = process.argv.slice(2);
const SECRET = 'PLAINTEXT-MARKER of the cache';

async function connect(options) {
  const client = createClient(options);
  client.on('error', (error) => { throw error; });
  return client.connect();
}

async function waitFor(what, ask) {
  const end = Date.now() + 10_000;
  while (!(await ask())) {
    assert(Date.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const cached = await connect({
  url: `redis://127.0.0.1:${port}`, RESP: 3, clientSideCache: { ttl: 0, maxEntries: 100, evictPolicy: 'LRU' },
});
const other = await connect({ url: `redis://127.0.0.1:${port}` });
const direct = await connect({ url: `redis://default:${password}@127.0.0.1:${database}` });

async function gets() {
  return Number(/cmdstat_get:calls=(\d+)/.exec(await direct.info('commandstats'))?.[1] ?? 0);
}

for (const key of ['session:cached', 'plain']) {
  await other.set(key, key === 'plain' ? 'first' : SECRET);
  const first = await cached.get(key);
  assert.equal(first, await other.get(key));
  const before = await gets();
  for (let i = 0; i < 20; i++) assert.equal(await cached.get(key), first);
  assert.equal(await gets(), before, 'the cache was not used');
  await other.set(key, key === 'plain' ? 'second' : SECRET + ' changed');
  const changed = await other.get(key);
  await waitFor(`${key} changes`, async () => (await cached.get(key)) === changed);
  await direct.del(key);
  await waitFor(`${key} goes`, async () => (await cached.get(key)) === null);
}
await other.set('session:cached', SECRET);
await waitFor('it is back', async () => (await cached.get('session:cached')) === SECRET);
for (const client of [cached, other, direct]) client.destroy();
console.log('node-redis ok');

// ioredis and node-redis, unmodified, through Waxseal: what an application does with protected and with other keys.
//
// Usage: node clients.mjs --client ioredis|node-redis [--protocol 2|3] (--port N | --unix PATH) [--prefix P] [--direct]
// Needs a server whose rules cover session:* and user:*. Exits 1 when anything differs from what Redis would have done.
// Every value under a protected key carries MARKER, so that the caller can search the database for it.
// With --direct the server is a Redis without Waxseal, which shows that the expectations here are Redis's own.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const MARKER = 'PLAINTEXT-MARKER';
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const PIPELINE_DEPTH = 1000;
const LARGE = 5 * 1024 * 1024;
const PATIENCE = 20_000; // milliseconds; long enough for a busy machine

const { values: options } = parseArgs({
  options: {
    client: { type: 'string' },
    protocol: { type: 'string', default: '2' },
    port: { type: 'string' },
    unix: { type: 'string' },
    prefix: { type: 'string', default: 'js' },
    direct: { type: 'boolean', default: false },
  },
});
const secret = (name) => `${MARKER} ${name}`;
const session = (name) => `session:${options.prefix}:${name}`;
const user = (name) => `user:${options.prefix}:${name}`;
const open = (name) => `open:${options.prefix}:${name}`;

// One face for both libraries: `call` sends any command and gives text, `raw` gives Buffers; the rest is each library's own.
const adapters = { ioredis, 'node-redis': nodeRedis };

async function ioredis() {
  const { default: Redis } = await import('ioredis');
  const place = options.unix ? { path: options.unix } : { host: '127.0.0.1', port: Number(options.port) };
  const protocol = Number(options.protocol);
  const connect = () => new Redis({ ...place, protocol, commandTimeout: PATIENCE });
  const client = connect();
  return {
    client,
    call: (...args) => client.call(...args),
    raw: (...args) => client.callBuffer(...args),
    typed: {
      hgetall: (key) => client.hgetall(key),
      set: (...args) => client.set(...args),
      get: (key) => client.get(key),
      mget: (...keys) => client.mget(...keys),
    },
    async pipeline(commands) {
      return (await client.pipeline(commands.map(([name, ...args]) => ['call', name, ...args])).exec()).map(unpack);
    },
    async transaction(commands) {
      const multi = client.multi();
      for (const [name, ...args] of commands) multi.call(name, ...args);
      return (await multi.exec())?.map(unpack) ?? null;
    },
    async watched(key, between, commands) {
      const own = connect();
      await own.watch(key);
      await own.get(key);
      await between();
      const multi = own.multi();
      for (const [name, ...args] of commands) multi.call(name, ...args);
      const replies = await multi.exec();
      own.disconnect();
      return replies?.map(unpack) ?? null;
    },
    async blockingPop(key, seconds) {
      const own = connect();
      const reply = await own.blpop(key, seconds);
      own.disconnect();
      return reply;
    },
    async subscribe(channel, pattern) {
      const own = connect();
      const messages = [];
      own.on('message', (from, text) => messages.push(['message', from, text]));
      own.on('pmessage', (_, from, text) => messages.push(['pmessage', from, text]));
      await own.subscribe(channel);
      await own.psubscribe(pattern);
      return { messages, end: () => own.disconnect() };
    },
    end: () => client.disconnect(),
  };
}

function unpack([error, reply]) {
  if (error) throw error;
  return reply;
}

async function nodeRedis() {
  const { createClient, RESP_TYPES, WatchError } = await import('redis');
  const socket = options.unix
    ? { path: options.unix, tls: false }
    : { host: '127.0.0.1', port: Number(options.port), reconnectStrategy: false };
  const connect = async () => {
    const client = createClient({ socket, RESP: Number(options.protocol) });
    client.on('error', (error) => console.error(`client error: ${error.message}`));
    return client.connect();
  };
  const client = await connect();
  const buffers = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  const send = (on, args) => on.sendCommand(args.map((arg) => (typeof arg === 'number' ? String(arg) : arg)));
  const many = async (commands, how) => {
    const multi = client.multi();
    for (const command of commands) multi.addCommand(command.map(String));
    return multi[how]();
  };
  return {
    client,
    call: (...args) => send(client, args),
    raw: (...args) => send(buffers, args),
    typed: {
      hgetall: async (key) => ({ ...(await client.hGetAll(key)) }),
      set: (...args) => client.set(...args),
      get: (key) => client.get(key),
      mget: (...keys) => client.mGet(keys),
    },
    pipeline: (commands) => many(commands, 'execAsPipeline'),
    transaction: (commands) => many(commands, 'exec'),
    async watched(key, between, commands) {
      const own = await connect();
      try {
        await own.watch(key);
        await own.get(key);
        await between();
        const multi = own.multi();
        for (const command of commands) multi.addCommand(command);
        return await multi.exec();
      } catch (error) {
        if (error instanceof WatchError) return null;
        throw error;
      } finally {
        own.destroy();
      }
    },
    async blockingPop(key, seconds) {
      const own = await connect();
      const reply = await own.blPop(key, seconds);
      own.destroy();
      return reply && [reply.key, reply.element];
    },
    async subscribe(channel, pattern) {
      const own = await connect();
      const messages = [];
      await own.subscribe(channel, (text, from) => messages.push(['message', from, text]));
      await own.pSubscribe(pattern, (text, from) => messages.push(['pmessage', from, text]));
      return { messages, end: () => own.destroy() };
    },
    end: () => client.destroy(),
  };
}

// HGETALL and its like by `call`: flat in RESP2, an object or Map in RESP3, depending on the library.
function entries(reply) {
  if (reply instanceof Map) return Object.fromEntries(reply);
  if (!Array.isArray(reply)) return { ...reply };
  const flat = reply.flat();
  return Object.fromEntries(Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]));
}

const tests = {
  async strings(c) {
    const key = session('string');
    assert.equal(await c.typed.set(key, secret('one')), 'OK');
    assert.equal(await c.typed.get(key), secret('one'));
    assert.equal(await c.call('GETSET', key, secret('two')), secret('one'));
    assert.equal(await c.call('SETNX', key, secret('no')), 0);
    assert.equal(await c.call('SETEX', key, 100, secret('three')), 'OK');
    assert.ok((await c.call('TTL', key)) >= 98);
    assert.equal(await c.call('PSETEX', key, 100000, secret('four')), 'OK');
    assert.equal(await c.call('GETEX', key, 'PERSIST'), secret('four'));
    assert.equal(await c.call('TTL', key), -1);
    assert.equal(await c.call('GETDEL', key), secret('four'));
    assert.equal(await c.typed.get(key), null);
  },

  async setOptions(c) {
    const key = session('options');
    assert.equal(await c.call('SET', key, secret('a'), 'XX'), null);
    assert.equal(await c.call('SET', key, secret('a'), 'NX', 'EX', 100), 'OK');
    assert.equal(await c.call('SET', key, secret('b'), 'NX'), null);
    assert.equal(await c.call('set', key, secret('c'), 'keepttl', 'get'), secret('a'));
    assert.ok((await c.call('TTL', key)) >= 98);
    assert.equal(await c.call('SET', key, secret('d'), 'XX', 'PX', 90000, 'GET'), secret('c'));
    assert.equal(await c.typed.get(key), secret('d'));
  },

  async manyKeys(c) {
    const [a, b, missing] = [session('m1'), user('m2'), session('m3')];
    assert.equal(await c.call('MSET', a, secret('1'), b, secret('2'), open('m4'), 'in clear'), 'OK');
    assert.deepEqual(await c.typed.mget(a, missing, b, open('m4')), [secret('1'), null, secret('2'), 'in clear']);
    assert.equal(await c.call('MSETNX', a, secret('x'), missing, secret('y')), 0);
    assert.equal(await c.call('MSETNX', missing, secret('3'), session('m5'), secret('5')), 1);
    assert.deepEqual(await c.typed.mget(missing, session('m5')), [secret('3'), secret('5')]);
  },

  async hashes(c) {
    const key = user('hash');
    const fields = { name: secret('ann'), mail: secret('mail'), '': secret('empty field'), town: secret('bern') };
    assert.equal(await c.call('HSET', key, 'name', fields.name, 'mail', fields.mail, '', fields['']), 3);
    assert.equal(await c.call('HMSET', key, 'town', fields.town), 'OK');
    assert.equal(await c.call('HSETNX', key, 'name', secret('no')), 0);
    assert.equal(await c.call('HGET', key, 'name'), fields.name);
    assert.deepEqual(await c.call('HMGET', key, 'mail', 'none', 'town'), [fields.mail, null, fields.town]);
    assert.deepEqual(await c.typed.hgetall(key), fields);
    assert.deepEqual(entries(await c.call('HGETALL', key)), fields);
    assert.deepEqual((await c.call('HVALS', key)).sort(), Object.values(fields).sort());
    assert.deepEqual((await c.call('HKEYS', key)).sort(), Object.keys(fields).sort());
    assert.deepEqual(entries(await c.call('HRANDFIELD', key, 10, 'WITHVALUES')), fields);
    const [cursor, found] = await c.call('HSCAN', key, 0, 'COUNT', 100);
    assert.equal(cursor, '0');
    assert.deepEqual(entries(found), fields);
    assert.equal(await c.call('HDEL', key, 'town', 'none'), 1);
    assert.equal(await c.call('HLEN', key), 3);
  },

  async keysWithoutValues(c) {
    const key = session('plain commands');
    await c.typed.set(key, secret('x'));
    assert.equal(await c.call('TYPE', key), 'string');
    assert.equal(await c.call('EXPIRE', key, 100), 1);
    assert.equal(await c.call('PERSIST', key), 1);
    let [cursor, seen] = ['0', []];
    do {
      const [next, keys] = await c.call('SCAN', cursor, 'MATCH', session('*'), 'COUNT', 500);
      [cursor, seen] = [next, seen.concat(keys)];
    } while (cursor !== '0');
    assert.ok(seen.includes(key));
    assert.equal(await c.call('DEL', key), 1);
    assert.equal(await c.call('EXISTS', key), 0);
  },

  async binaryAndLarge(c) {
    const value = Buffer.concat([Buffer.from(MARKER), ALL_BYTES, ALL_BYTES]);
    await c.raw('SET', session('binary'), value);
    assert.ok(value.equals(await c.raw('GET', session('binary'))));
    await c.raw('HSET', user('binary'), ALL_BYTES, value);
    assert.ok(value.equals(await c.raw('HGET', user('binary'), ALL_BYTES)));
    const large = Buffer.alloc(LARGE, value);
    await c.raw('SET', session('large'), large);
    assert.ok(large.equals(await c.raw('GET', session('large'))));
    const plain = Buffer.alloc(LARGE, ALL_BYTES);
    await c.raw('SET', open('large'), plain);
    assert.ok(plain.equals(await c.raw('GET', open('large'))));
  },

  async pipelines(c) {
    const commands = [];
    for (let i = 0; i < PIPELINE_DEPTH; i++) {
      commands.push(['SET', session(`p${i % 50}`), secret(`p${i}`)], ['GET', session(`p${i % 50}`)], ['INCR', open('counter')]);
    }
    const replies = await c.pipeline(commands);
    assert.equal(replies.length, 3 * PIPELINE_DEPTH);
    for (let i = 0; i < PIPELINE_DEPTH; i++) {
      assert.deepEqual(replies.slice(3 * i, 3 * i + 3), ['OK', secret(`p${i}`), i + 1]);
    }
  },

  async transactions(c) {
    const key = session('transaction');
    const replies = await c.transaction([
      ['SET', key, secret('t1')],
      ['GET', key],
      ['INCR', open('transaction counter')],
      ['HSET', user('t'), 'f', secret('t2')],
      ['HGET', user('t'), 'f'],
      ['MGET', key, session('none')],
    ]);
    assert.deepEqual(replies, ['OK', secret('t1'), 1, 1, secret('t2'), [secret('t1'), null]]);
    const nothing = async () => {};
    assert.deepEqual(await c.watched(key, nothing, [['SET', key, secret('t3')], ['GET', key]]), ['OK', secret('t3')]);
    const interfere = () => c.typed.set(key, secret('t4'));
    assert.equal(await c.watched(key, interfere, [['SET', key, secret('t5')]]), null);
    assert.equal(await c.typed.get(key), secret('t4'));
  },

  async blocking(c) {
    const key = open('queue');
    assert.equal(await c.blockingPop(key, 0.2), null);
    const popped = c.blockingPop(key, PATIENCE / 1000);
    await sleep(200);
    assert.equal(await c.call('RPUSH', key, 'job'), 1);
    assert.deepEqual(await popped, [key, 'job']);
  },

  async publishSubscribe(c) {
    const { messages, end } = await c.subscribe(session('news'), session('n*'));
    assert.equal(await c.call('PUBLISH', session('news'), secret('news')), 2);
    for (let waited = 0; messages.length < 2 && waited < PATIENCE; waited += 20) await sleep(20);
    end();
    assert.deepEqual(messages.sort(), [
      ['message', session('news'), secret('news')],
      ['pmessage', session('news'), secret('news')],
    ]);
  },

  async keysOfNoRule(c) {
    assert.equal(await c.call('SET', open('raw'), '10'), 'OK');
    assert.equal(await c.call('INCRBY', open('raw'), 5), 15);
    assert.equal(await c.call('APPEND', open('raw'), '0'), 3);
    assert.equal(await c.call('RPUSH', open('list'), 'a', 'b'), 2);
    assert.deepEqual(await c.call('LRANGE', open('list'), 0, -1), ['a', 'b']);
    assert.equal(await c.call('EVAL', "return redis.call('GET', KEYS[1])", 1, open('raw')), '150');
  },

  async refusals(c) {
    if (options.direct) return;
    const key = session('refused');
    await c.typed.set(key, secret('keep'));
    for (const command of [
      ['PFADD', session('refused hll'), secret('h')],
      ['SMOVE', session('refused set'), open('stolen'), secret('m')],
      ['RENAME', key, open('stolen')],
    ]) {
      await assert.rejects(c.call(...command), (error) => /WAXSEAL/.test(error.message) && !error.message.includes(MARKER));
    }
    assert.equal(await c.typed.get(key), secret('keep'));
  },

  async connectionCommands(c) {
    assert.equal(await c.call('PING'), 'PONG');
    assert.equal(await c.call('ECHO', 'hello'), 'hello');
    assert.equal(await c.call('CLIENT', 'SETNAME', 'app'), 'OK');
    assert.equal(await c.call('CLIENT', 'GETNAME'), 'app');
    assert.equal(typeof (await c.call('CLIENT', 'ID')), 'number');
    assert.match(String(await c.call('INFO', 'server')), /redis_version/);
  },

  async manyAtOnce(c) {
    const work = async (worker) => {
      for (let i = 0; i < 50; i++) {
        await c.typed.set(session(`worker ${worker}`), secret(`${worker} ${i}`));
        assert.equal(await c.typed.get(session(`worker ${worker}`)), secret(`${worker} ${i}`));
      }
    };
    await Promise.all(Array.from({ length: 32 }, (_, worker) => work(worker)));
  },
};

const adapter = adapters[options.client];
assert.ok(adapter, '--client must be ioredis or node-redis');
// Nothing may hang: a stuck test ends the program with a word of where.
let current = 'connecting';
setTimeout(() => {
  console.error(`FAILED ${current}: still waiting`);
  process.exit(1);
}, 5 * PATIENCE).unref();
const client = await adapter();
let failed = 0;
for (const [name, body] of Object.entries(tests)) {
  current = name;
  try {
    await body(client);
  } catch (error) {
    failed += 1;
    console.error(`FAILED ${name}\n${error.stack}`);
  }
}
client.end();
console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);

// What ioredis and node-redis do first: connect, write and read a value, look for a key that is not there, subscribe.
//
// Recorded by tests/connect.rs. The password comes from REDIS_PASSWORD.

import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    client: { type: 'string' },
    protocol: { type: 'string' },
    port: { type: 'string' },
    db: { type: 'string', default: '0' },
    name: { type: 'string' },
  },
});
const password = process.env.REDIS_PASSWORD;
const port = Number(options.port);
const db = Number(options.db);
const protocol = Number(options.protocol);

async function ioredis() {
  const { default: Redis } = await import('ioredis');
  const settings = { host: '127.0.0.1', port, password, db, protocol, connectionName: options.name };
  const client = new Redis(settings);
  await use(client);
  const subscriber = new Redis(settings);
  await subscriber.subscribe('connect:channel');
  subscriber.disconnect();
  client.disconnect();
}

async function nodeRedis() {
  const { createClient } = await import('redis');
  const client = createClient({
    socket: { host: '127.0.0.1', port }, password, database: db, RESP: protocol, name: options.name,
  });
  await client.connect();
  await use(client);
  const subscriber = client.duplicate();
  await subscriber.connect();
  await subscriber.subscribe('connect:channel', () => {});
  subscriber.destroy();
  client.destroy();
}

async function use(client) {
  await client.set('connect:key', 'PLAINTEXT-MARKER');
  assert.equal(await client.get('connect:key'), 'PLAINTEXT-MARKER');
  assert.equal(await client.get('connect:none'), null);
}

await (options.client === 'ioredis' ? ioredis() : nodeRedis());

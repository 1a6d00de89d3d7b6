// ioredis's defineCommand and node-redis's defineScript through a sidecar that has rules.
// Every step is checked here; the caller checks the database.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import Redis from "ioredis";
import { createClient, defineScript } from "redis";

const { values } = parseArgs({ options: { port: { type: "string" } } });
const port = Number(values.port);
const BODY = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])";

{
  const client = new Redis({ port, host: "127.0.0.1" });
  client.defineCommand("put", { numberOfKeys: 1, lua: BODY });
  assert.equal(await client.put("node:a", "1"), "1");
  assert.equal(await client.put("node:a", "2"), "2");
  // EVALSHA in a pipeline, after SCRIPT EXISTS and SCRIPT LOAD.
  client.defineCommand("again", { numberOfKeys: 1, lua: `${BODY} -- again` });
  assert.deepEqual(await client.pipeline().again("node:b", "3").get("node:b").exec(), [[null, "3"], [null, "3"]]);
  client.defineCommand("third", { numberOfKeys: 1, lua: `${BODY} -- third` });
  assert.deepEqual(await client.multi().third("node:c", "4").get("node:c").exec(), [[null, "4"], [null, "4"]]);
  client.defineCommand("bad", { numberOfKeys: 0, lua: "return redis.call('GET', ARGV[1])" });
  await assert.rejects(client.bad("session:1"), /WAXSEAL SCRIPT_REFUSED/);
  await assert.rejects(client.put("session:1", "x"), /WAXSEAL COMMAND_REFUSED/);
  await client.quit();
}
{
  const put = defineScript({
    NUMBER_OF_KEYS: 1,
    SCRIPT: `${BODY} -- node-redis`,
    parseCommand(parser, key, value) {
      parser.pushKey(key);
      parser.push(value);
    },
    transformReply: (reply) => reply,
  });
  const client = createClient({ url: `redis://127.0.0.1:${port}`, scripts: { put } });
  await client.connect();
  assert.equal(await client.put("node:d", "5"), "5");
  assert.equal(await client.put("node:d", "6"), "6");
  await client.close();
}
console.log("ok");

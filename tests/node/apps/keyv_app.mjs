// Keyv with @keyv/redis: values, times to live, many at once, namespaces, iteration, clearing.

import assert from "node:assert/strict";
import KeyvRedis from "@keyv/redis";
import Keyv from "keyv";
import { REDIS_URL, secret, waitUntil } from "./common.mjs";

const open = (namespace) => {
  const keyv = new Keyv({ store: new KeyvRedis(REDIS_URL), namespace });
  keyv.on("error", (error) => { throw error; });
  return keyv;
};
const [users, other] = [open("users"), open("other")];

await users.set("one", { name: secret("one"), tags: [secret("tag"), null, 1.5] });
assert.deepEqual(await users.get("one"), { name: secret("one"), tags: [secret("tag"), null, 1.5] });
assert.equal(await other.get("one"), undefined);
assert.equal(await users.has("one"), true);
await users.set("buffer", Buffer.from(secret("in base64")));
assert.equal((await users.get("buffer")).toString(), secret("in base64"));
await users.set("brief", secret("brief"), 100);
await waitUntil("the brief one expires", async () => (await users.get("brief")) === undefined);
await users.setMany(["a", "b", "c"].map((key) => ({ key, value: secret(key) })));
assert.deepEqual(await users.getMany(["a", "none", "c"]), [secret("a"), undefined, secret("c")]);
assert.deepEqual(await users.hasMany(["a", "none"]), [true, false]);
assert.equal(await users.delete("a"), true);
assert.equal(await users.delete("a"), false);
assert.deepEqual(await users.deleteMany(["b"]), true);
const found = {};
for await (const [key, value] of users.iterator()) found[key] = value;
assert.deepEqual(Object.keys(found).sort(), ["buffer", "c", "one"]);
assert.equal(found.c, secret("c"));

for (let i = 0; i < 50; i++) await other.set(`many:${i}`, secret(String(i)));
await other.clear();
assert.equal(await other.get("many:1"), undefined);
assert.equal(await users.get("c"), secret("c"));
await Promise.all([users.disconnect(), other.disconnect()]);

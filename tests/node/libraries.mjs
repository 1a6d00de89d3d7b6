// Redlock and two rate limiters through a sidecar; `lock:*` is encrypted, the limiters' keys are not.
// Every step is checked here; the caller checks the database.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { Ratelimit } from "@upstash/ratelimit";
import Redis from "ioredis";
import limiters from "rate-limiter-flexible";
import redlock from "redlock";

const { values } = parseArgs({ options: { port: { type: "string" } } });
const client = new Redis({ port: Number(values.port), host: "127.0.0.1" });

{
  const Redlock = redlock.default ?? redlock;
  const locks = new Redlock([client], { retryCount: 0 });
  let held = await locks.acquire(["lock:a"], 30_000);
  assert.equal(await client.get("lock:a"), held.value);
  await assert.rejects(locks.acquire(["lock:a"], 30_000));
  held = await held.extend(60_000);
  assert.ok((await client.pttl("lock:a")) > 30_000);
  await held.release();
  assert.equal(await client.exists("lock:a"), 0);
  // Somebody else's now: neither extended nor released.
  held = await locks.acquire(["lock:a"], 30_000);
  await client.set("lock:a", "another's");
  await assert.rejects(held.extend(1000));
  await assert.rejects(held.release());
  assert.equal(await client.get("lock:a"), "another's");
}
{
  const limiter = new limiters.RateLimiterRedis({ storeClient: client, points: 2, duration: 60, keyPrefix: "rl" });
  assert.equal((await limiter.consume("one")).remainingPoints, 1);
  assert.equal((await limiter.consume("one")).remainingPoints, 0);
  await assert.rejects(limiter.consume("one"));
  const inside = new limiters.RateLimiterRedis({ storeClient: client, points: 2, duration: 60, keyPrefix: "lock" });
  await assert.rejects(inside.consume("one"), /WAXSEAL SCRIPT_REFUSED.*rate-limiter-flexible.*except/);
}
{
  // The library speaks to Upstash's own client; these are the methods that it uses of it.
  // The flag in the first line is Upstash's.
  const own = (script) => script.replace("#!lua flags=allow-key-locking\n", "");
  const redis = {
    evalsha: (sha, keys, args) => client.evalsha(sha, keys.length, ...keys, ...args),
    eval: (script, keys, args) => client.eval(own(script), keys.length, ...keys, ...args),
  };
  for (const [name, algorithm] of [
    ["fixed", Ratelimit.fixedWindow(2, "60 s")],
    ["sliding", Ratelimit.slidingWindow(2, "60 s")],
    ["bucket", Ratelimit.tokenBucket(2, "60 s", 2)],
  ]) {
    const limit = new Ratelimit({ redis, limiter: algorithm, prefix: `limit:${name}`, ephemeralCache: false });
    const outcomes = [];
    for (let turn = 0; turn < 3; turn += 1) outcomes.push((await limit.limit("one")).success);
    assert.deepEqual(outcomes, [true, true, false], name);
    assert.equal((await limit.getRemaining("one")).remaining, 0, name);
    await limit.resetUsedTokens("one");
    assert.equal((await limit.limit("one")).success, true, name);
  }
}
await client.quit();
console.log("ok");

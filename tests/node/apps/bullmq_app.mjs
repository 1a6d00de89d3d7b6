// BullMQ: jobs and results, delays, priorities, retries, parents and children, repeated jobs, events, progress and logs.

import assert from "node:assert/strict";
import { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } from "bullmq";
import { PATIENCE, REDIS_URL, secret, waitUntil } from "./common.mjs";

// BullMQ makes and ends its own connections from these settings, as its guide has it.
const { hostname: host, port } = new URL(REDIS_URL);
const connection = { host, port: Number(port) };
const queue = new Queue("letters", { connection });
const events = new QueueEvents("letters", { connection });
const flow = new FlowProducer({ connection });
await events.waitUntilReady();

const seen = [];
events.on("completed", ({ returnvalue }) => seen.push(returnvalue));

const worker = new Worker("letters", async (job) => {
  if (job.name === "again" && job.attemptsMade < 2) throw new Error(secret("again"));
  if (job.name === "broken") throw new UnrecoverableError(secret("broken"));
  if (job.name === "parent") return Object.values(await job.getChildrenValues()).sort();
  await job.updateProgress({ at: secret("half") });
  await job.log(secret("log"));
  return { text: `${job.data.text} and back` };
}, { connection, concurrency: 2 });
worker.on("error", (error) => { console.error(error); process.exit(1); });

const done = (job) => job.waitUntilFinished(events, PATIENCE);
const plain = await queue.add("plain", { text: secret("one") });
assert.deepEqual(await done(plain), { text: `${secret("one")} and back` });
const stored = await queue.getJob(plain.id);
assert.deepEqual(stored.data, { text: secret("one") });
assert.deepEqual(stored.progress, { at: secret("half") });
assert.deepEqual(stored.returnvalue, { text: `${secret("one")} and back` });
assert.deepEqual((await queue.getJobLogs(plain.id)).logs, [secret("log")]);

const many = await queue.addBulk(Array.from({ length: 10 }, (_, i) => ({ name: "plain", data: { text: secret(String(i)) } })));
const later = await queue.add("plain", { text: secret("later") }, { delay: 200 });
const first = await queue.add("plain", { text: secret("first") }, { priority: 1 });
const again = await queue.add("again", { text: secret("again") }, { attempts: 3, backoff: 50 });
for (const [i, job] of many.entries()) assert.deepEqual(await done(job), { text: `${secret(String(i))} and back` });
assert.deepEqual(await done(later), { text: `${secret("later")} and back` });
assert.deepEqual(await done(first), { text: `${secret("first")} and back` });
assert.deepEqual(await done(again), { text: `${secret("again")} and back` });

const broken = await queue.add("broken", { text: secret("broken") });
await assert.rejects(done(broken), new RegExp(secret("broken")));
const failed = await queue.getJob(broken.id);
assert.equal(failed.failedReason, secret("broken"));
assert.ok(failed.stacktrace[0].includes(secret("broken")));
assert.equal((await queue.getFailed()).length, 1);

const tree = await flow.add({
  name: "parent", queueName: "letters", data: { text: secret("parent") },
  children: ["left", "right"].map((name) => ({ name: "child", queueName: "letters", data: { text: secret(name) } })),
});
const values = await done(tree.job);
assert.deepEqual(values.map(({ text }) => text).sort(), [`${secret("left")} and back`, `${secret("right")} and back`]);

await queue.upsertJobScheduler("ticker", { every: 200 }, { name: "tick", data: { text: secret("tick") } });
await waitUntil("the scheduled job ran twice", () => seen.filter((value) => value?.text === `${secret("tick")} and back`).length >= 2);
await queue.removeJobScheduler("ticker");

await queue.pause();
const left = await queue.add("plain", { text: secret("left") });
await left.updateData({ text: secret("changed") });
assert.deepEqual((await queue.getJob(left.id)).data, { text: secret("changed") });
const removed = await queue.add("plain", { text: secret("removed") });
await removed.remove();
assert.equal(await queue.getJob(removed.id), undefined);
const counts = await queue.getJobCounts("completed", "failed", "paused", "waiting");
assert.deepEqual([counts.failed, counts.paused + counts.waiting], [1, 1]);

await worker.close();
await Promise.all([queue.close(), events.close(), flow.close()]);

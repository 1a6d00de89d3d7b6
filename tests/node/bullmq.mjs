// BullMQ through a sidecar that encrypts what jobs carry. Every step is checked here; the caller checks the database.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { Queue, QueueEvents, Worker } from "bullmq";

const { values } = parseArgs({
  options: { port: { type: "string" }, prefix: { type: "string" }, secret: { type: "string" }, progress: { type: "boolean" } },
});
const { prefix, secret } = values;
const options = { prefix, connection: { host: "127.0.0.1", port: Number(values.port), maxRetriesPerRequest: null } };
const errors = [];
const watch = (one) => one.on("error", (error) => errors.push(error));

const queue = new Queue("mail", options);
const events = new QueueEvents("mail", options);
watch(queue);
watch(events);
const progress = [];
events.on("progress", ({ data }) => progress.push(data));
await events.waitUntilReady();

const worker = new Worker(
  "mail",
  async (job) => {
    assert.equal(job.data.secret, secret, "the worker reads the data");
    await job.log(`a log with ${secret}`);
    if (values.progress) await job.updateProgress({ done: 50 });
    if (job.name === "fails") throw new Error(`failed with ${secret}`);
    if (job.name === "again" && job.attemptsMade < 2) throw new Error(`tried with ${secret}`);
    if (job.name === "grows") await job.updateData({ secret, grown: true });
    return { answer: secret, name: job.name };
  },
  { ...options, autorun: false, concurrency: 4 },
);
watch(worker);

const data = { secret, nested: { list: [1, "two", null] } };
const jobs = {
  plain: await queue.add("plain", data),
  custom: await queue.add("custom", data, { jobId: "order-7" }),
  delayed: await queue.add("delayed", data, { delay: 100 }),
  first: await queue.add("first", data, { priority: 3 }),
  fails: await queue.add("fails", data),
  again: await queue.add("again", data, { attempts: 3, backoff: { type: "fixed", delay: 20 } }),
  grows: await queue.add("grows", data),
};
const [one, two] = await queue.addBulk([
  { name: "bulk", data },
  { name: "bulk", data, opts: { attempts: 3 } },
]);

// Read back before anything runs, by each way that the library has.
assert.deepEqual((await queue.getJob(jobs.plain.id)).data, data);
assert.deepEqual((await queue.getJob("order-7")).data, data);
for (const job of await queue.getJobs(["waiting", "delayed", "prioritized"])) assert.deepEqual(job.data, data);
assert.equal((await queue.getWaiting()).length, 7 - 2 + 2);
assert.equal(await jobs.delayed.getState(), "delayed");

worker.run();
for (const job of [jobs.plain, jobs.custom, jobs.delayed, jobs.first, jobs.again, jobs.grows, one, two]) {
  assert.deepEqual(await job.waitUntilFinished(events, 20_000), { answer: secret, name: job.name });
  const stored = await queue.getJob(job.id);
  assert.deepEqual(stored.returnvalue, { answer: secret, name: job.name });
  assert.ok((await queue.getJobLogs(job.id)).logs.includes(`a log with ${secret}`));
}
await assert.rejects(jobs.fails.waitUntilFinished(events, 20_000), new RegExp(`failed with ${secret}`));
const failed = await queue.getJob(jobs.fails.id);
assert.equal(failed.failedReason, `failed with ${secret}`);
assert.match(failed.stacktrace[0], new RegExp(secret));
const again = await queue.getJob(jobs.again.id);
assert.equal(again.attemptsMade, 3);
assert.match(again.stacktrace[0], new RegExp(`tried with ${secret}`));
assert.deepEqual((await queue.getJob(jobs.grows.id)).data, { secret, grown: true });
// Over already: asked for instead of waited for.
assert.deepEqual(await jobs.plain.waitUntilFinished(events, 1000), { answer: secret, name: "plain" });
assert.equal((await queue.getCompleted()).length, 8);
assert.equal((await queue.getFailed())[0].failedReason, `failed with ${secret}`);
if (values.progress) assert.ok(progress.length >= 8);

// A scheduler keeps a template of its jobs.
await queue.upsertJobScheduler("tick", { every: 50, limit: 3 }, { name: "tick", data });
assert.deepEqual((await queue.getJobScheduler("tick")).template.data, data);
const ticks = new Promise((resolve) => {
  let count = 0;
  worker.on("completed", (job) => job.name === "tick" && ++count === 2 && resolve());
});
await ticks;
await queue.removeJobScheduler("tick");

// Retried by hand, moved, removed.
await failed.retry();
await assert.rejects(failed.waitUntilFinished(events, 20_000), /failed with/);
await queue.pause();
const last = await queue.add("last", data);
await last.changePriority({ priority: 1 });
await last.remove();
await queue.add("left", data, { delay: 60_000 });
await queue.resume();
if (!values.progress) await assert.rejects(jobs.plain.updateProgress(5), /WAXSEAL SCRIPT_REFUSED.*progress/);

await worker.close();
await events.close();
assert.deepEqual(errors, []);
await queue.close();
console.log("ok");

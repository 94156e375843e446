// BullMQ with real workers: hundreds of jobs, none lost, none run twice; failures tried again, flows, delays.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq";
import { start } from "./server.mjs";

const JOBS = 300;
let server;
let connection;

before(async () => {
  server = await start();
  connection = { host: server.host, port: server.port, maxRetriesPerRequest: null };
});

after(async () => {
  await server.stop();
});

async function until(condition) {
  const end = Date.now() + 60_000;
  while (!(await condition())) {
    assert.ok(Date.now() < end, "in time");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("BullMQ runs every job once, by several workers", async () => {
  const runs = new Map();
  const queue = new Queue("once", { connection });
  const events = new QueueEvents("once", { connection });
  const work = async (job) => {
    if (job.name === "again" && job.attemptsMade === 0) throw new Error("not yet");
    runs.set(job.data.number, (runs.get(job.data.number) ?? 0) + 1);
    await job.updateProgress(100);
    return job.data.number * 2;
  };
  const workers = [1, 2, 3].map(() => new Worker("once", work, { connection, concurrency: 5 }));
  try {
    await events.waitUntilReady();
    const jobs = await queue.addBulk(
      Array.from({ length: JOBS }, (_, number) => ({ name: "run", data: { number }, opts: { priority: number % 3 } })),
    );
    const again = await queue.add("again", { number: JOBS }, { attempts: 3, backoff: { type: "fixed", delay: 50 } });
    const later = await queue.add("run", { number: JOBS + 1 }, { delay: 200 });
    const same = await Promise.all(
      [1, 2, 3].map(() => queue.add("run", { number: JOBS + 2 }, { jobId: "the-same" })),
    );
    assert.equal(await jobs[5].waitUntilFinished(events, 60_000), 10);
    assert.equal(await again.waitUntilFinished(events, 60_000), JOBS * 2);
    assert.equal(await later.waitUntilFinished(events, 60_000), JOBS * 2 + 2);
    assert.equal(same[0].id, same[2].id);
    await until(async () => (await queue.getCompletedCount()) === JOBS + 3);
    assert.equal(runs.size, JOBS + 3);
    assert.ok([...runs.values()].every((times) => times === 1));
    assert.equal(await queue.getFailedCount(), 0);
  } finally {
    await Promise.all(workers.map((worker) => worker.close()));
    await events.close();
    await queue.obliterate({ force: true });
    await queue.close();
  }
});

test("BullMQ runs a parent when its children are done, and fails for good after its attempts", async () => {
  const queue = new Queue("flow", { connection });
  const flows = new FlowProducer({ connection });
  const worker = new Worker(
    "flow",
    async (job) => {
      if (job.name === "never") throw new Error("no");
      if (job.name === "parent") {
        return Object.values(await job.getChildrenValues()).reduce((sum, value) => sum + value, 0);
      }
      return job.data.number;
    },
    { connection, concurrency: 4 },
  );
  try {
    const children = Array.from({ length: 20 }, (_, number) => ({ name: "child", queueName: "flow", data: { number } }));
    const { job } = await flows.add({ name: "parent", queueName: "flow", data: {}, children });
    await queue.add("never", {}, { attempts: 2 });
    await until(async () => (await queue.getJob(job.id)).returnvalue === 190);
    await until(async () => (await queue.getFailedCount()) === 1);
    const [failed] = await queue.getFailed();
    assert.equal(failed.attemptsMade, 2);
    assert.equal(failed.failedReason, "no");
  } finally {
    await worker.close();
    await flows.close();
    await queue.obliterate({ force: true });
    await queue.close();
  }
});

test("BullMQ repeats a job on schedule", async () => {
  const queue = new Queue("ticks", { connection });
  let runs = 0;
  const worker = new Worker("ticks", async () => { runs += 1; }, { connection });
  try {
    await queue.upsertJobScheduler("tick", { every: 100 }, { name: "tick" });
    await until(() => runs >= 3);
    assert.equal((await queue.getJobSchedulers()).length, 1);
    assert.equal(await queue.removeJobScheduler("tick"), true);
  } finally {
    await worker.close();
    await queue.obliterate({ force: true });
    await queue.close();
  }
});

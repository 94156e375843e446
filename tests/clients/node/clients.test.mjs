// The music application's cache through node-redis (RESP2 and RESP3) and ioredis.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import Redis from "ioredis";
import { createClient } from "redis";
import { start } from "./server.mjs";

const digest = (text) => createHash("sha256").update(text).digest("hex");
const track = JSON.stringify({ id: 123, title: "Für Elise", artist: "Beethoven" });
let server;

before(async () => {
  server = await start();
});
after(async () => {
  await server.stop();
});

for (const RESP of [2, 3]) {
  test(`node-redis, RESP${RESP}`, async (t) => {
    const connect = async () => {
      const client = createClient({ RESP, socket: { host: server.host, port: server.port } });
      client.on("error", (error) => assert.fail(error));
      return client.connect();
    };
    const db = await connect();
    await db.flushAll();

    await t.test("values with a life, counters, lists of the latest", async () => {
      assert.equal(await db.set("track:123", track, { EX: 43200 }), "OK");
      assert.equal(await db.get("track:123"), track);
      const ttl = await db.ttl("track:123");
      assert.ok(ttl > 43190 && ttl <= 43200, `TTL ${ttl}`);
      const plays = `plays:${digest("song")}`;
      assert.deepEqual(await Promise.all(Array.from({ length: 100 }, () => db.incr(plays))),
        Array.from({ length: 100 }, (_, at) => at + 1));
      for (let song = 0; song < 60; song++) {
        await Promise.all([db.lPush("recent:7", `song${song}`), db.lTrim("recent:7", 0, 49)]);
      }
      assert.equal(await db.lLen("recent:7"), 50);
      assert.deepEqual(await db.lRange("recent:7", 0, 1), ["song59", "song58"]);
      assert.equal(await db.get("missing"), null);
    });

    await t.test("workers wait for jobs", async () => {
      const workers = await Promise.all(Array.from({ length: 5 }, connect));
      const taken = workers.map((worker) => worker.brPop("download_jobs", 0));
      await new Promise((resolve) => setTimeout(resolve, 50));
      await db.lPush("download_jobs", ["1", "2", "3", "4", "5"]);
      const jobs = (await Promise.all(taken)).map((reply) => reply.element).sort();
      assert.deepEqual(jobs, ["1", "2", "3", "4", "5"]);
      assert.equal(await workers[0].brPop("download_jobs", 0.05), null);
      for (const worker of workers) worker.destroy();
    });

    await t.test("errors are errors", async () => {
      await db.set("s", "x");
      await assert.rejects(db.lPush("s", "y"), /WRONGTYPE/);
      await assert.rejects(db.sendCommand(["NOSUCH"]), /unknown command/);
    });

    await t.test("keys are scanned", async () => {
      const found = [];
      for await (const keys of db.scanIterator({ MATCH: "track:*" })) found.push(...keys);
      assert.deepEqual(found, ["track:123"]);
    });

    await db.flushAll();
    await db.close();
  });
}

test("ioredis", async (t) => {
  const options = { host: server.host, port: server.port, enableReadyCheck: true };
  const db = new Redis(options);
  await db.flushall();

  await t.test("values with a life, pipelines, binary", async () => {
    assert.equal(await db.set("session:abc", track, "EX", 86400), "OK");
    assert.equal(await db.get("session:abc"), track);
    const replies = await db.pipeline().set("index:progress", "1").incr("index:progress").lpush("index:progress", "x").exec();
    assert.deepEqual(replies.slice(0, 2), [[null, "OK"], [null, 2]]);
    assert.match(String(replies[2][0]), /WRONGTYPE/);
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
    await db.set(bytes, bytes);
    assert.deepEqual(await db.getBuffer(bytes), bytes);
  });

  await t.test("a connection keeps its database and its name over a reconnect", async () => {
    const other = new Redis({ ...options, db: 2, connectionName: "worker" });
    assert.equal(await other.client("GETNAME"), "worker");
    await other.set("k", "v");
    await db.client("KILL", "ID", await other.client("ID"));
    assert.equal(await other.get("k"), "v");
    assert.equal(await db.get("k"), null);
    other.disconnect();
  });

  await t.test("workers wait for jobs", async () => {
    const workers = Array.from({ length: 5 }, () => new Redis(options));
    const taken = workers.map((worker) => worker.brpop("download_jobs", 0));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await db.lpush("download_jobs", 1, 2, 3, 4, 5);
    const jobs = (await Promise.all(taken)).map(([, job]) => job).sort();
    assert.deepEqual(jobs, ["1", "2", "3", "4", "5"]);
    for (const worker of workers) worker.disconnect();
  });

  await db.flushall();
  db.disconnect();
});

// `damselfly --test` from node:test: a server for each test, which obeys lines on its standard input.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { createClient } from "redis";
import { binary } from "./server.mjs";

/** Starts one; what a test suite in JavaScript needs of it. */
async function kit(t, ...flags) {
  const process = spawn(binary(), ["--test", ...flags], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => process.on("exit", (code) => resolve(code)));
  const lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value);
  const where = await next();
  const db = await createClient({ url: where.url }).on("error", () => {}).connect();
  t.after(async () => {
    db.destroy();
    process.stdin.end();
    assert.equal(await ended, 0, "the end of its input ends it in order");
  });
  const order = async (line) => {
    process.stdin.write(`${line}\n`);
    const answer = await next();
    assert.ok(answer.ok, answer.error);
    return answer;
  };
  return { where, db, order };
}

test("time goes as the test says", async (t) => {
  const { db, order } = await kit(t);
  await db.set("k", "v", { expiration: { type: "EX", value: 60 } });
  await order("advance 61000");
  assert.equal(await db.get("k"), null);
});

test("faults come when they are asked for", async (t) => {
  const { db, order } = await kit(t);
  await order("fail GET 1 LOADING not yet");
  await assert.rejects(db.get("k"), /LOADING not yet/);
  assert.equal(await db.get("k"), null);
  await order("full-disk");
  await assert.rejects(db.set("k", "v"), /MISCONF/);
  await order("heal");
  await db.set("k", "v");
  assert.equal((await order("dump")).dump, '"k" string "v"\n');
});

test("servers are apart", async (t) => {
  const kits = await Promise.all(Array.from({ length: 5 }, () => kit(t)));
  await Promise.all(kits.map(({ db }, number) => db.set("number", String(number))));
  assert.deepEqual(await Promise.all(kits.map(({ db }) => db.get("number"))), ["0", "1", "2", "3", "4"]);
});

// The console in a browser: Debian's Chromium, headless. Skipped where it is not installed. SCREENSHOTS=folder keeps pictures.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { createClient } from "redis";
import { binary, freePort } from "./server.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const skip = existsSync(CHROMIUM) ? false : `no ${CHROMIUM}`;
const ARGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
let browser;

before(async () => {
  if (skip) return;
  const { chromium } = await import("playwright-core");
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
});
after(async () => browser?.close());

/** A server with a console, some data in it, and a page that has come to nothing but this machine. */
async function open(t, { flags = [], width = 1200, height = 900, theme = "light" } = {}) {
  const [port, admin] = [await freePort(), await freePort()];
  const all = ["--port", port, "--admin-port", admin, "--loglevel", "warning", "--save", "", "--slowlog-log-slower-than", "0", ...flags];
  const server = spawn(binary(), all.map(String), { stdio: ["ignore", "ignore", "inherit"] });
  const ended = new Promise((resolve) => server.on("exit", resolve));
  const url = `http://127.0.0.1:${admin}`;
  for (let tries = 0; tries < 300; tries++) {
    if (await fetch(`${url}/readyz`).then((answer) => answer.ok, () => false)) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const password = flags.includes("--requirepass") ? flags[flags.indexOf("--requirepass") + 1] : undefined;
  const db = await createClient({ url: `redis://127.0.0.1:${port}`, password }).connect();
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme });
  const page = await context.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) wrong.push(`went to ${request.url()}`);
  });
  t.after(async () => {
    await context.close();
    db.destroy();
    server.kill("SIGTERM");
    assert.equal(await ended, 0);
  });
  const picture = async (name) => {
    if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}.png`, fullPage: true });
  };
  return { url, db, page, wrong, picture };
}

async function fill(db) {
  for (let n = 0; n < 300; n++) await db.set(`tracks:${n}`, JSON.stringify({ id: n, title: `Track ${n}` }), { expiration: { type: "EX", value: 86400 } });
  for (let n = 0; n < 40; n++) await db.set(`search:{u:${n % 5}}:tracks:${n}`, "[]");
  await db.hSet("user:1", { name: "Ada", mail: "ada@example.org", role: "admin" });
  await db.rPush("recent:7", Array.from({ length: 130 }, (_, n) => `track-${n}`));
  await db.zAdd("board", [{ score: 12.5, value: "ada" }, { score: 7, value: "bob" }]);
  await db.sAdd("favorites:{u:1}:track", ["a1", "b2", "c3"]);
  for (let n = 1; n <= 5; n++) await db.xAdd("log", `${n}-1`, { event: "play", track: `${n}` });
  await db.set("<img src=x onerror=document.title='owned'>", "<script>document.title='owned'</script>");
  await db.zAdd("{jobs:download}:ready", [{ score: 1, value: "1" }, { score: 2, value: "2" }]);
  await db.zAdd("{jobs:download}:dead", [{ score: 3, value: "7" }]);
  await db.hSet("{jobs:download}:state", "7", "x\x1f5\x1f\x1f\x1f3\x1f10\x1f");
  await db.hSet("{jobs:download}:jobs", "7", '{"trackhash":"abc"}');
  await db.hSet("{jobs:download}:errors", "7", "timeout\x1eprovider did not answer\x1f");
  await db.zAdd("sessions:{u:7}:all", [{ score: 99, value: "0123456789abcdef" }]);
  const device = JSON.stringify({ name: "phone", ip: "10.0.0.1", agent: "Mobile" });
  await db.hSet("sessions:{u:7}:s:0123456789abcdef", { made: "5", seen: String(Date.now() - 90000), ends: String(Date.now() + 9e6), device });
  for (let n = 0; n < 50; n++) await db.get(`tracks:${n * 7}`);
}

const panel = (page, name) => page.locator("#tabs a", { hasText: new RegExp(`^${name}$`) }).click();

test("the overview shows what goes on, and goes on showing it", { skip }, async (t) => {
  const { url, db, page, wrong, picture } = await open(t);
  await fill(db);
  await page.goto(url);
  await page.locator("#health.good").waitFor();
  const tile = (name) => page.locator(`#tile-${name} .value`).textContent();
  await page.waitForFunction(() => document.querySelector("#tile-keys .value").textContent === "353");
  await db.set("one:more", "x");
  await page.waitForFunction(() => document.querySelector("#tile-keys .value").textContent === "354");
  assert.match(await tile("hits"), /%$/);
  assert.match(await tile("memory"), /KB|MB/);
  for (let n = 0; n < 3; n++) {
    for (let m = 0; m < 200; m++) await db.get(`tracks:${m}`);
    await page.waitForTimeout(1000);
  }
  await page.waitForFunction(() => document.querySelectorAll(".plot .curve").length >= 3);
  await picture("overview-light");
  await page.locator("#theme").click();
  await picture("overview-dark");
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  await page.reload();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark", "it is remembered");
  assert.deepEqual(wrong, []);
});

test("keys are found, looked at and deleted", { skip }, async (t) => {
  const { url, db, page, wrong, picture } = await open(t);
  await fill(db);
  await page.goto(`${url}/#/keys`);
  const show = async (word, name) => {
    await page.locator("#search").fill(word);
    await page.locator(".list button", { hasText: name }).first().click();
    await page.locator("#detail .title", { hasText: name }).waitFor();
  };
  await show("user:1", "user:1");
  await page.locator("#detail td", { hasText: "ada@example.org" }).waitFor();
  await picture("keys-hash");
  await show("recent", "recent:7");
  assert.equal(await page.locator("#detail tbody tr").count(), 100);
  await page.locator("#detail button", { hasText: "More" }).click();
  await page.locator("#detail td", { hasText: "track-129" }).waitFor();
  await show("board", "board");
  assert.deepEqual(await page.locator("#detail tbody tr").first().locator("td").allTextContents(), ["7", "bob"]);
  await show("log", "log");
  await page.locator("#detail td", { hasText: "5-1" }).waitFor();
  await picture("keys-stream");
  await show("onerror", "<img src=x");
  assert.match(await page.locator("#detail pre").textContent(), /<script>/);
  assert.notEqual(await page.title(), "owned");
  await show("tracks:5", "tracks:5");
  await page.locator("#detail button", { hasText: "Edit" }).click();
  await page.locator("#detail textarea").fill("new");
  await page.locator("#detail button", { hasText: "Write" }).click();
  await page.waitForFunction(() => document.querySelector("#detail pre")?.textContent === "new");
  await page.locator("#detail button", { hasText: "Delete" }).click();
  await picture("confirm");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("dialog").isVisible(), false);
  await page.locator("#detail button", { hasText: "Delete" }).click();
  await page.locator("dialog button", { hasText: "Delete" }).click();
  await page.locator("#detail", { hasText: "deleted" }).waitFor();
  assert.deepEqual(wrong, []);
});

test("a namespace is cleared by whoever types its name", { skip }, async (t) => {
  const { url, db, page, wrong, picture } = await open(t);
  await fill(db);
  await page.goto(`${url}/#/namespaces`);
  const row = page.locator("tr", { hasText: "tracks" }).first();
  await row.locator("td", { hasText: "300" }).waitFor();
  await picture("namespaces");
  await row.getByRole("button").click();
  const go = page.locator("dialog button", { hasText: "Clear" });
  assert.equal(await go.isDisabled(), true);
  await page.locator("#dialog-word").fill("track");
  assert.equal(await go.isDisabled(), true);
  await page.locator("#dialog-word").fill("tracks");
  await go.click();
  await page.locator("#toast", { hasText: "cleared 300 keys" }).waitFor();
  assert.equal(await db.exists("tracks:1"), 0);
  assert.equal(await db.exists("user:1"), 1);
  assert.deepEqual(wrong, []);
});

test("all panels are reached by keys and show what there is", { skip }, async (t) => {
  const { url, db, page, wrong, picture } = await open(t);
  await fill(db);
  await page.goto(url);
  await page.locator("#health.good").waitFor();
  const expected = [
    ["4", "Queues", "provider did not answer"], ["5", "Sessions", "phone"], ["6", "Clients", "127.0.0.1"],
    ["7", "Commands", "hset"], ["8", "Slow log", "tracks:"],
  ];
  for (const [key, name, text] of expected) {
    await page.keyboard.press(key);
    await page.locator("#tabs a[aria-current]", { hasText: name }).waitFor();
    await page.locator("main td", { hasText: text }).first().waitFor();
    await picture(`panel-${key}`);
  }
  await page.keyboard.press("/");
  await page.waitForFunction(() => document.activeElement.id === "search");
  await page.keyboard.type("tracks:1");
  await page.locator(".list button").nth(1).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.locator("#detail .title").waitFor();
  assert.deepEqual(wrong, []);
});

test("a phone has room for all of it", { skip }, async (t) => {
  const { url, db, page, wrong, picture } = await open(t, { width: 375, height: 740, theme: "dark" });
  await fill(db);
  await page.goto(url);
  await page.locator("#health.good").waitFor();
  for (const name of ["Overview", "Keys", "Namespaces", "Queues", "Sessions", "Clients", "Commands", "Slow log"]) {
    await panel(page, name);
    await page.waitForTimeout(300);
    const [content, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(content <= room, `${name} is ${content} wide and has ${room}`);
    await picture(`phone-${name.toLowerCase().replace(" ", "-")}`);
  }
  assert.deepEqual(wrong, []);
});

test("where there is a password it is asked for; a user who may only look only looks", { skip }, async (t) => {
  const { url, db, page, wrong, picture } = await open(t, { flags: ["--requirepass", "secret"] });
  await fill(db);
  await db.sendCommand(["ACL", "SETUSER", "looker", "on", ">look", "~*", "+@read", "+info"]);
  await page.goto(url);
  await page.locator("h2", { hasText: "Log in" }).waitFor();
  await picture("login");
  const logIn = async (user, password) => {
    await page.locator("input[name=user]").fill(user);
    await page.locator("input[name=password]").fill(password);
    await page.keyboard.press("Enter");
  };
  await logIn("default", "wrong");
  await page.locator(".wrong", { hasText: "wrong name or password" }).waitFor();
  await logIn("looker", "look");
  await page.locator("#user", { hasText: "looker · may look" }).waitFor();
  await panel(page, "Namespaces");
  const button = page.locator("button", { hasText: "Clear all caches" });
  await button.waitFor();
  assert.equal(await button.isDisabled(), true);
  await page.locator("#logout").click();
  await page.locator("h2", { hasText: "Log in" }).waitFor();
  await logIn("default", "secret");
  await page.locator("#user", { hasText: "default" }).waitFor();
  await panel(page, "Namespaces");
  await button.click();
  await page.locator("#dialog-word").fill("clear all");
  await page.locator("dialog button", { hasText: "Clear all" }).click();
  await page.locator("#toast", { hasText: "cleared" }).waitFor();
  // Refusals are told to the browser's console, too; nothing else is.
  assert.deepEqual(wrong.filter((text) => !text.includes("401")), []);
});

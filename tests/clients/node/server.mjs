// A server of our own for these tests: SERVER_BINARY, or what cargo built last; SERVER_ADDRESS for one that runs.

import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import net from "node:net";
import { fileURLToPath } from "node:url";

/** The program under test. */
export function binary() {
  if (process.env.SERVER_BINARY) return process.env.SERVER_BINARY;
  const built = ["release", "debug"]
    .map((profile) => fileURLToPath(new URL(`../../../target/${profile}/damselfly`, import.meta.url)))
    .filter(existsSync)
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (built.length === 0) throw new Error("no server: cargo build first");
  return built[0];
}

/** A port that nobody has. */
export function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1", () => resolve(socket.end() !== undefined));
    socket.on("error", () => resolve(false));
  });
}

/** Starts a server; `stop` ends it. */
export async function start() {
  if (process.env.SERVER_ADDRESS) {
    const [host, port] = process.env.SERVER_ADDRESS.split(":");
    return { host, port: Number(port), stop: async () => {} };
  }
  const port = await freePort();
  const flags = ["--port", String(port), "--bind", "127.0.0.1", "--loglevel", "warning"];
  const server = spawn(binary(), flags, { stdio: ["ignore", "ignore", "inherit"] });
  const ended = new Promise((resolve) => server.on("exit", resolve));
  for (let tries = 0; tries < 200 && !(await answers(port)); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    host: "127.0.0.1",
    port,
    stop: async () => {
      server.kill("SIGTERM");
      await ended;
    },
  };
}

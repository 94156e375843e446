#!/usr/bin/env python3
"""Durability beside Valkey and redis-server, from outside: saving, loading, memory and latency meanwhile, the journal.

    python3 benches/versus/durable.py [--keys 1100000] [--rounds 3]        everything; a table, and the ratios

DAMSELFLY, VALKEY and REDIS name the binaries (target/release/damselfly, valkey-server, redis-server). The servers take
turns, the figure is the median of the rounds. The data are strings, strings with deadlines, small hashes and lists, in
random order; all servers write to the same directory's disk. What the machine does besides moves all of it: compare the
ratios of one run, never two runs. Loopback only; children are ended by their pid. Linux only: it reads /proc.
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARIES = {
    "damselfly": os.environ.get("DAMSELFLY", str(ROOT / "target/release/damselfly")),
    "valkey": os.environ.get("VALKEY", "valkey-server"),
    "redis": os.environ.get("REDIS", "redis-server"),
}


def encode(*argv):
    parts = [b"*%d\r\n" % len(argv)]
    for arg in argv:
        arg = arg if isinstance(arg, bytes) else str(arg).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
    return b"".join(parts)


class Server:
    def __init__(self, name, directory, flags=()):
        self.name, self.directory = name, pathlib.Path(directory)
        self.directory.mkdir(exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [BINARIES[name], "--port", str(self.port), "--dir", str(self.directory), "--save", "", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.began = time.monotonic()

    def connect(self, seconds=120):
        end = time.monotonic() + seconds
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", self.port), timeout=120)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection, connection.makefile("rb")
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.005)

    def ask(self, *argv):
        connection, reader = self.connect()
        with connection:
            connection.sendall(encode(*argv))
            line = reader.readline()
            if line[:1] == b"$" and int(line[1:]) >= 0:
                return reader.read(int(line[1:]) + 2)[:-2]
            return line.strip()

    def info(self, section):
        text = self.ask("INFO", section).decode(errors="replace")
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def wait_full(self, keys):
        """Seconds from the start of the process until all keys are there."""
        while self.ask("DBSIZE") != b":%d" % keys:
            if time.monotonic() - self.began > 300:
                raise RuntimeError(f"{self.name} does not load")
            time.sleep(0.01)
        return time.monotonic() - self.began

    def memory(self):
        """RSS of the process, and what its children have for themselves (a fork's copied pages), in bytes."""
        total = 0
        try:
            for line in open(f"/proc/{self.process.pid}/status"):
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) * 1024
            children = open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split()
            for child in children:
                for line in open(f"/proc/{child}/smaps_rollup"):
                    if line.startswith("Private_Dirty:"):
                        total += int(line.split()[1]) * 1024
        except (OSError, ValueError):
            pass
        return total

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


def dataset(keys):
    """The load as requests, in random order."""
    draw = random.Random(1)
    numbers = list(range(keys))
    draw.shuffle(numbers)
    for n in numbers:
        kind = n % 11
        if kind < 6:
            yield encode("SET", f"string:{n}", "x" * 64)
        elif kind < 9:
            yield encode("SET", f"expiring:{n}", "y" * 64, "EX", 100000 + n % 1000)
        elif kind < 10:
            yield encode("HSET", f"hash:{n}", *(word for f in range(5) for word in (f"field{f}", f"value {n}")))
        else:
            yield encode("RPUSH", f"list:{n}", *(f"element {n} {e}" for e in range(8)))


def fill(server, keys):
    connection, reader = server.connect()
    with connection:
        batch, waiting = [], 0
        for request in dataset(keys):
            batch.append(request)
            if len(batch) == 1000:
                connection.sendall(b"".join(batch))
                for _ in batch:
                    reader.readline()
                batch = []
        connection.sendall(b"".join(batch))
        for _ in batch:
            reader.readline()
    assert server.ask("DBSIZE") == b":%d" % keys, server.ask("DBSIZE")


def benchmark(server, *flags, test="set", keys=100000):
    """Requests per second of redis-benchmark."""
    command = ["redis-benchmark", "-p", str(server.port), "-t", test, "-r", str(keys), "-d", "64", "--csv", *flags]
    out = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
    return float(out.strip().splitlines()[-1].split(",")[1].strip('"'))


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))] if values else 0.0


def probe(server, stop, times):
    """Notes how long single requests take, one every other millisecond."""
    connection, reader = server.connect()
    draw = random.Random(2)
    with connection:
        while not stop.is_set():
            request = encode("SET", f"string:{draw.randrange(1000000)}", "z" * 64)
            began = time.monotonic()
            connection.sendall(request)
            reader.readline()
            times.append(time.monotonic() - began)
            time.sleep(0.001)


def under_load(server, seconds, snapshots):
    """p99 of single requests and the peak of memory, while others write; with or without snapshots."""
    load = subprocess.Popen(
        ["redis-benchmark", "-p", str(server.port), "-t", "set", "-r", "1000000", "-d", "64", "-c", "20", "-n",
         "100000000"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stop, times, peak, saves = threading.Event(), [], 0, 0
    prober = threading.Thread(target=probe, args=(server, stop, times))
    try:
        time.sleep(1)
        prober.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if snapshots and server.info("persistence")["rdb_bgsave_in_progress"] == "0":
                saves += server.ask("BGSAVE").startswith(b"+")
            peak = max(peak, server.memory())
            time.sleep(0.01)
    finally:
        stop.set()
        load.kill()
        load.wait()
        prober.join()
    return percentile(times, 0.99), peak, saves


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=1_100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--only", default="", help="save,load,meanwhile,everysec,always")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else ["save", "load", "meanwhile", "everysec", "always"]
    base = pathlib.Path(tempfile.mkdtemp(prefix="damselfly-durable-"))
    rows, servers = [], []

    def start(name, suffix, *flags):
        server = Server(name, base / f"{name}-{suffix}", flags)
        servers.append(server)
        server.connect()[0].close()
        return server

    def row(what, target, subject, reference, unit, ratio=None):
        ratio = ratio if ratio is not None else subject / reference
        rows.append((what, target, subject, reference, unit, ratio))
        print(f"{what:34} {subject:10.3f} {reference:10.3f} {unit:6} ratio {ratio:6.3f}   target {target}", flush=True)

    print(f"{'':34} {'damselfly':>10} {'reference':>10}", flush=True)
    try:
        if {"save", "load", "meanwhile"} & set(wanted):
            pair = [start("damselfly", "data"), start("valkey", "data")]
            for server in pair:
                fill(server, options.keys)
            saves = {server.name: [] for server in pair}
            for _ in range(options.rounds):
                for server in pair:
                    began = time.monotonic()
                    assert server.ask("SAVE") == b"+OK"
                    saves[server.name].append(time.monotonic() - began)
            if "save" in wanted:
                row("SAVE", "<= 0.5", *(statistics.median(saves[server.name]) for server in pair), "s")
            if "meanwhile" in wanted:
                for server in pair:
                    # All keys of the load are there before: what grows afterwards is the snapshot's doing.
                    benchmark(server, "-P", "16", "-c", "50", "-n", "5000000", keys=1000000)
                    quiet = under_load(server, options.seconds, False)
                    busy = under_load(server, options.seconds, True)
                    print(f"  {server.name}: p99 {quiet[0] * 1000:.2f} ms without, {busy[0] * 1000:.2f} ms with "
                          f"snapshots ({busy[2]}); memory {quiet[1] >> 20} MiB, at most {busy[1] >> 20} MiB")
                    if server.name == "damselfly":
                        row("p99 during a snapshot", "<= 2", busy[0] * 1000, quiet[0] * 1000, "ms")
                        row("memory during a snapshot", "<= 1.05", busy[1] / 2**20, quiet[1] / 2**20, "MiB")
            for server in pair:
                server.ask("SAVE")
            keys = {server.name: int(server.ask("DBSIZE")[1:]) for server in pair}
            for server in pair:
                server.stop()
            if "load" in wanted:
                loads = {server.name: [] for server in pair}
                for _ in range(options.rounds):
                    for name in loads:
                        server = start(name, "data")
                        loads[name].append(server.wait_full(keys[name]))
                        server.stop()
                row("restart to full DBSIZE", "<= 0.4",
                    *(statistics.median(loads[server.name]) for server in pair), "s")
        if "everysec" in wanted:
            flags = ("-P", "16", "-c", "50", "-n", "1500000")
            plain = start("damselfly", "plain")
            second = start("damselfly", "everysec", "--appendonly", "yes", "--appendfsync", "everysec")
            figures = ([], [])
            for _ in range(options.rounds):
                for server, into in zip((second, plain), figures):
                    into.append(benchmark(server, *flags))
            row("everysec beside no journal, -P 16", ">= 0.9", *(statistics.median(f) / 1000 for f in figures), "k/s")
            for server in (plain, second):
                server.stop()
        if "always" in wanted:
            always = ("--appendonly", "yes", "--appendfsync", "always")
            pair = [start("damselfly", "always", *always), start("redis", "always", *always)]
            figures = ([], [])
            for _ in range(options.rounds):
                for server, into in zip(pair, figures):
                    into.append(benchmark(server, "-c", "50", "-n", "30000"))
            row("always, 50 clients, beside redis", ">= 1.0", *(statistics.median(f) / 1000 for f in figures), "k/s")
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()

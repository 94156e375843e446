"""`damselfly --test`: a server for each test, which ends with its parent, and obeys lines on its standard input."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import redis

from conftest import binary


class Kit:
    """What a test suite in Python needs of it: some twenty lines."""

    def __init__(self, process):
        self.process = process
        self.where = json.loads(process.stdout.readline())
        self.db = redis.Redis(port=self.where["port"], decode_responses=True)

    def order(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert answer["ok"], answer["error"]
        return answer


@contextlib.contextmanager
def serve(*flags):
    process = subprocess.Popen(
        [binary(), "--test", *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Kit(process)
    finally:
        process.stdin.close()
        assert process.wait(10) == 0, "the end of its input ends it in order"
        process.stdout.close()


@pytest.fixture
def kit():
    with serve() as one:
        yield one


def is_there(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def test_it_says_where_it_is(kit):
    assert kit.where["pid"] == kit.process.pid
    assert kit.where["url"] == f"redis://127.0.0.1:{kit.where['port']}"
    assert redis.Redis.from_url(kit.where["url"]).ping()


def test_servers_are_apart_and_quick():
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        kits = [stack.enter_context(serve()) for _ in range(10)]
        for number, kit in enumerate(kits):
            kit.db.set("number", number)
        assert [int(kit.db.get("number")) for kit in kits] == list(range(10))
    assert time.monotonic() - began < 10


def test_time_goes_as_the_test_says(kit):
    kit.db.set("k", "v", ex=60)
    kit.order("advance 59000")
    assert kit.db.get("k") == "v"
    kit.order("advance 2000")
    assert kit.db.get("k") is None
    kit.order("freeze")
    before = kit.db.time()
    time.sleep(0.02)
    assert kit.db.time() == before
    kit.order("unfreeze")


def test_faults_come_when_they_are_asked_for(kit):
    kit.db.set("k", "v")
    kit.order("fail GET 1 OOM no")
    with pytest.raises(redis.ResponseError):
        kit.db.get("k")
    assert kit.db.get("k") == "v"
    kit.order("full-disk")
    with pytest.raises(redis.ResponseError, match="MISCONF"):
        kit.db.set("k", "w")
    kit.order("heal")
    kit.db.set("k", "w")
    kit.order("delay 80")
    impatient = redis.Redis(port=kit.where["port"], socket_timeout=0.02, retry=None)
    with pytest.raises(redis.TimeoutError):
        impatient.ping()
    kit.order("delay 0")
    other = redis.Redis(port=kit.where["port"])
    subscriber = other.pubsub()
    subscriber.subscribe("news")
    kit.order("drop")
    # redis-py connects anew.
    assert kit.db.get("k") == "w"


def test_all_data_is_shown(kit):
    kit.db.rpush("jobs", "a", "b")
    assert kit.order("dump")["dump"] == '"jobs" list\n  "a"\n  "b"\n'
    assert kit.order("calls RPUSH")["calls"] == 1
    kit.order("clear")
    assert kit.db.dbsize() == 0
    with pytest.raises(AssertionError, match="no such order"):
        kit.order("fnord")


def test_settings_are_taken(tmp_path):
    with serve("--requirepass", "secret", "--databases", "2") as kit:
        db = redis.Redis.from_url(kit.where["url"], db=1)
        assert db.ping()
        with pytest.raises(redis.AuthenticationError):
            kit.db.ping()


@pytest.mark.parametrize("stdin", ["a pipe", "nothing"])
def test_it_ends_with_its_parent(stdin):
    given = "subprocess.PIPE" if stdin == "a pipe" else "subprocess.DEVNULL"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            f"kit = subprocess.Popen([sys.argv[1], '--test'], stdin={given}, stdout=subprocess.PIPE, text=True)\n"
            "print(kit.stdout.readline(), end='', flush=True)\n"
            "time.sleep(60)",
            binary(),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    where = json.loads(parent.stdout.readline())
    assert redis.Redis(port=where["port"]).ping()
    parent.send_signal(signal.SIGKILL)
    parent.wait(10)
    parent.stdout.close()
    for _ in range(500):
        if not is_there(where["pid"]):
            return
        time.sleep(0.01)
    os.kill(where["pid"], signal.SIGKILL)
    pytest.fail("it outlived its parent")

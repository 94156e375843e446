"""Job libraries with real workers: hundreds of jobs, none lost, none run twice, failures tried again."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest
import redis

HERE = pathlib.Path(__file__).parent
JOBS = 300
PATIENCE = 60


@pytest.fixture
def url(address):
    """The server, empty."""
    client = redis.Redis(*address)
    client.flushall()
    yield "redis://{}:{}/0".format(*address)
    client.flushall()


@contextlib.contextmanager
def workers(url, *command, count=2):
    """Runs workers until the block ends; they must end in order."""
    environment = {**os.environ, "JOBS_URL": url, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", *(part.replace("%n", str(number)) for part in command)],
            cwd=HERE,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        for number in range(count)
    ]
    said = [[] for _ in running]
    readers = [
        threading.Thread(target=lambda one=one, lines=lines: lines.extend(one.stdout), daemon=True)
        for one, lines in zip(running, said)
    ]
    for reader in readers:
        reader.start()
    try:
        yield lambda: b"".join(b"".join(lines) for lines in said).decode(errors="replace")
    finally:
        for one in running:
            one.terminate()
        for one in running:
            try:
                one.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(one.pid, signal.SIGKILL)
                one.wait()


def wait_for(condition, said):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, said()[-3000:]
        time.sleep(0.02)


def marks(db):
    return {int(number): int(times) for number, times in db.hgetall("marks").items()}


def each_once(count):
    return {number: 1 for number in range(count)}


@pytest.fixture
def marked(url):
    return redis.Redis.from_url(url, decode_responses=True)


@pytest.fixture
def here(url, monkeypatch):
    """Lets this process enqueue with the applications' own modules."""
    monkeypatch.setenv("JOBS_URL", url)
    monkeypatch.syspath_prepend(str(HERE))
    for name in [name for name in sys.modules if name == "jobs" or name.startswith("jobs.")]:
        monkeypatch.delitem(sys.modules, name)


def test_rq(url, marked, here):
    import rq

    from jobs.marks import mark, mark_at_second_try

    connection = redis.Redis.from_url(url)
    queue = rq.Queue("work", connection=connection)
    jobs = [queue.enqueue(mark, number) for number in range(JOBS)]
    again = queue.enqueue(mark_at_second_try, JOBS, retry=rq.Retry(max=2))
    after = queue.enqueue(mark, JOBS + 1, depends_on=jobs[:3])
    with workers(url, "rq.cli", "worker", "--url", url, "--worker-class", "rq.SimpleWorker", "work") as said:
        wait_for(lambda: len(marks(marked)) == JOBS + 2, said)
        wait_for(lambda: after.get_status(refresh=True) == rq.job.JobStatus.FINISHED, said)
        wait_for(lambda: again.get_status(refresh=True) == rq.job.JobStatus.FINISHED, said)
    assert marks(marked) == each_once(JOBS + 2)
    assert jobs[7].return_value(refresh=True) == 14
    assert queue.count == 0
    assert queue.failed_job_registry.get_job_count() == 0


def test_celery(url, marked, here):
    from celery import chord, group

    from jobs.celery_app import add_up, app, retried, run

    try:
        arguments = ["--pool", "threads", "--concurrency", "4", "--loglevel", "warning", "--hostname", "w%n@here"]
        with workers(url, "celery", "-A", "jobs.celery_app", "worker", *arguments) as said:
            results = group(run.s(number) for number in range(JOBS)).apply_async()
            again = retried.delay(JOBS)
            later = run.apply_async([JOBS + 1], countdown=0.5)
            total = chord([run.s(number) for number in range(JOBS + 2, JOBS + 12)])(add_up.s())
            wait_for(lambda: len(marks(marked)) == JOBS + 12, said)
            assert results.get(timeout=PATIENCE) == [number * 2 for number in range(JOBS)]
            assert again.get(timeout=PATIENCE) == JOBS * 2
            assert later.get(timeout=PATIENCE) == JOBS * 2 + 2
            assert total.get(timeout=PATIENCE) == sum(number * 2 for number in range(JOBS + 2, JOBS + 12))
        assert marks(marked) == each_once(JOBS + 12)
        assert marked.llen("celery") == 0
        for result in (results, again, later, total):
            result.forget()
    finally:
        app.close()


def test_huey(url, marked, here):
    from jobs.huey_app import huey, retried, run

    results = [run(number) for number in range(JOBS)]
    again = retried(JOBS)
    later = run.schedule((JOBS + 1,), delay=1)
    arguments = ["jobs.huey_app.huey", "--workers", "4", "--scheduler-interval", "1", "--quiet"]
    with workers(url, "huey.bin.huey_consumer", *arguments, count=1) as said:
        assert [result.get(blocking=True, timeout=PATIENCE) for result in results] == [n * 2 for n in range(JOBS)]
        assert later.get(blocking=True, timeout=PATIENCE) == JOBS * 2 + 2
        wait_for(lambda: len(marks(marked)) == JOBS + 2, said)
    assert marks(marked) == each_once(JOBS + 2)
    assert again.id
    assert len(huey) == 0


def test_dramatiq(url, marked, here):
    from jobs.dramatiq_app import retried, run

    for number in range(JOBS):
        run.send(number)
    retried.send(JOBS)
    run.send_with_options(args=(JOBS + 1,), delay=300)
    with workers(url, "dramatiq", "jobs.dramatiq_app", "--processes", "2", "--threads", "4", count=1) as said:
        wait_for(lambda: len(marks(marked)) == JOBS + 2, said)
        wait_for(lambda: marked.hlen("dramatiq:default.msgs") == 0, said)
    assert marks(marked) == each_once(JOBS + 2)


def test_locks_exclude_each_other(db, connect):
    """redis-py's Lock: scripts that compare a token before they release or extend."""
    inside, highest, rounds = [0], [0], 25

    def work(client):
        for _ in range(rounds):
            with client.lock("lock", timeout=10, sleep=0.001):
                inside[0] += 1
                highest[0] = max(highest[0], inside[0])
                client.incr("sum")
                inside[0] -= 1

    threads = [threading.Thread(target=work, args=(connect(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert highest == [1]
    assert db.get("sum") == str(4 * rounds)
    mine = db.lock("other", timeout=5)
    assert mine.acquire(blocking=False)
    assert not db.lock("other").acquire(blocking=False)
    assert mine.extend(5) and mine.reacquire() and 5 < db.ttl("other") + 1 <= 6
    db.set("other", "somebody else")
    with pytest.raises(redis.exceptions.LockNotOwnedError):
        mine.release()


def test_registered_scripts_outlive_a_flush(db):
    take = db.register_script(
        """
        local left = tonumber(redis.call('GET', KEYS[1]) or ARGV[1])
        if left == 0 then return -1 end
        redis.call('SET', KEYS[1], left - 1)
        return left - 1
        """
    )
    assert [take(keys=["tokens"], args=[2]) for _ in range(3)] == [1, 0, -1]
    db.script_flush()
    assert take(keys=["tokens"], args=[2]) == -1
    pipe = db.pipeline()
    take(keys=["others"], args=[5], client=pipe)
    assert pipe.execute() == [4]


def test_a_scheduler_moves_what_is_due_once(db, connect):
    """As Sidekiq's poller: a script takes from a sorted set what is due, and many pollers ask at once."""
    text = """
        local due = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, 1)[1]
        if due then
            redis.call('ZREM', KEYS[1], due)
            local job = cjson.decode(due)
            redis.call('LPUSH', 'queue:' .. job.queue, due)
            return due
        end
    """
    db.zadd("schedule", {'{"queue":"default","jid":%d}' % number: number for number in range(JOBS)})

    def poll(client):
        due = client.register_script(text)
        while due(keys=["schedule"], args=[JOBS]):
            pass

    threads = [threading.Thread(target=poll, args=(connect(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    moved = db.lrange("queue:default", 0, -1)
    assert len(moved) == len(set(moved)) == JOBS
    assert db.exists("schedule") == 0

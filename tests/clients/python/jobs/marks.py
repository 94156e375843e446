"""The marks that jobs leave: how often each has run."""

import os

import redis

URL = os.environ.get("JOBS_URL", "redis://127.0.0.1:6379/0")
_client = None


def client():
    """A client of this process: workers fork."""
    global _client
    if _client is None or _client[0] != os.getpid():
        _client = (os.getpid(), redis.Redis.from_url(URL, decode_responses=True))
    return _client[1]


def mark(number):
    """This job has run once more."""
    client().hincrby("marks", number, 1)
    return int(number) * 2


def mark_at_second_try(number):
    """Fails when it runs for the first time."""
    if client().hincrby("tries", number, 1) == 1:
        raise RuntimeError("not yet")
    return mark(number)

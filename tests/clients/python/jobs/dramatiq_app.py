"""Dramatiq's actors."""

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from .marks import URL, mark, mark_at_second_try

dramatiq.set_broker(RedisBroker(url=URL))


@dramatiq.actor
def run(number):
    mark(number)


@dramatiq.actor(max_retries=3, min_backoff=50, max_backoff=100)
def retried(number):
    mark_at_second_try(number)

"""Huey's tasks."""

from huey import PriorityRedisHuey

from .marks import URL, mark, mark_at_second_try

huey = PriorityRedisHuey("jobs", url=URL)


@huey.task()
def run(number):
    return mark(number)


@huey.task(retries=3)
def retried(number):
    return mark_at_second_try(number)

"""A Celery application: broker and results on the server."""

from celery import Celery

from .marks import URL, mark, mark_at_second_try

app = Celery("jobs", broker=URL, backend=URL)
app.conf.update(
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=4,
    task_acks_late=True,
)


@app.task
def run(number):
    return mark(number)


@app.task(bind=True, max_retries=3)
def retried(self, number):
    try:
        return mark_at_second_try(number)
    except RuntimeError as error:
        raise self.retry(exc=error, countdown=0.1)


@app.task
def add_up(numbers):
    return sum(numbers)

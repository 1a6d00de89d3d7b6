"""The tasks of celery_app.py, as a project keeps them; the worker imports this."""

from celery import Celery
from common import REDIS_URL, secret

app = Celery("tasks", broker=REDIS_URL, backend=REDIS_URL)
app.conf.update(
    accept_content=["json", "pickle"],
    result_accept_content=["json", "pickle"],
    broker_connection_retry_on_startup=True,
    result_extended=True,
    task_send_sent_event=True,
    task_track_started=True,
    worker_prefetch_multiplier=4,
    worker_send_task_events=True,
)


@app.task
def echo(text):
    return f"{text} and back"


@app.task(serializer="pickle")
def echo_bytes(data):
    return (data + b" and back").decode()


@app.task(bind=True, max_retries=3)
def third_time(self, text):
    if self.request.retries < 2:
        raise self.retry(exc=ValueError(text), countdown=0.1)
    return f"{text} after {self.request.retries} retries"


@app.task
def fail(text):
    raise ValueError(text)


@app.task(acks_late=True)
def late(text):
    return secret(f"late {text}")


@app.task
def join(texts):
    return " + ".join(texts)

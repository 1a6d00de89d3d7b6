"""Celery, with broker and results in Redis: workers, retries, ETA, groups, chains, chords, remote control, events."""

import argparse
import os
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

from celery import chain, chord, group
from celery_tasks import app, echo, echo_bytes, fail, join, late, third_time
from common import MARKER, PATIENCE, expect, secret, wait_until
from kombu import Connection, Queue

WORKERS = {"prefork": 2, "threads": 2, "solo": 1}


def worker(pool):
    return subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--pool", pool, "--concurrency", str(WORKERS[pool]),
         "--hostname", f"{pool}@here", "--loglevel", "WARNING", "--without-gossip", "--without-mingle"],
        cwd=Path(__file__).parent,
        # Whoever runs the tests in a container is root there, and pickle is among what is tested.
        env=os.environ | {"C_FORCE_ROOT": "1"},
    )


def results():
    expect(echo.delay(secret("one")).get(PATIENCE), secret("one and back"))
    expect(echo_bytes.delay(secret("bytes").encode()).get(PATIENCE), secret("bytes and back"))
    expect(third_time.delay(secret("again")).get(PATIENCE), secret("again after 2 retries"))
    expect(late.delay("ack").get(PATIENCE), secret("late ack"))
    soon = datetime.now(timezone.utc) + timedelta(seconds=0.3)
    expect(echo.apply_async((secret("soon"),), eta=soon).get(PATIENCE), secret("soon and back"))
    expect(echo.apply_async((secret("hasty"),), countdown=0.2, priority=9).get(PATIENCE), secret("hasty and back"))
    ignored = echo.apply_async((secret("ignored"),), ignore_result=True)
    expect(ignored.get(), None)


def failures():
    failed = fail.delay(secret("broken"))
    error = failed.get(PATIENCE, propagate=False)
    expect((type(error), str(error)), (ValueError, secret("broken")))
    expect(MARKER in failed.traceback, True)
    expect((failed.state, failed.args), ("FAILURE", [secret("broken")]))


def canvas():
    texts = [secret(str(number)) for number in range(20)]
    done = group(echo.s(text) for text in texts).apply_async()
    expect(done.get(PATIENCE), [f"{text} and back" for text in texts])
    done.save()
    expect(app.GroupResult.restore(done.id).get(PATIENCE), [f"{text} and back" for text in texts])
    expect(chain(echo.s(secret("first")), echo.s()).delay().get(PATIENCE), secret("first and back and back"))
    forgotten = echo.delay(secret("forgotten"))
    forgotten.get(PATIENCE)
    forgotten.forget()
    expect(app.AsyncResult(forgotten.id).state, "PENDING")


def chords():
    both = chord([echo.s(secret("left")), echo.s(secret("right"))], join.s()).delay()
    expect(both.get(PATIENCE), f"{secret('left')} and back + {secret('right')} and back")
    nested = chord(group(echo.s(secret("in")), chain(echo.s(secret("deep")), echo.s())), join.s()).delay()
    expect(nested.get(PATIENCE), f"{secret('in')} and back + {secret('deep')} and back and back")
    broken = chord([echo.s(secret("whole")), fail.s(secret("part"))], join.s()).delay()
    expect(secret("part") in str(broken.get(PATIENCE, propagate=False)), True)


def remote_control(pool):
    expect(app.control.ping(timeout=PATIENCE, limit=1), [{f"{pool}@here": {"ok": "pong"}}])
    stats = app.control.inspect(timeout=PATIENCE, limit=1).stats()
    expect(list(stats), [f"{pool}@here"])
    later = echo.apply_async((secret("revoked"),), countdown=PATIENCE)
    wait_until("the task is with the worker", lambda: secret("revoked") in str(app.control.inspect(timeout=PATIENCE, limit=1).scheduled()))
    expect(len(app.control.revoke(later.id, reply=True, timeout=PATIENCE, limit=1)), 1)


def events():
    """A monitor sees what the worker does, arguments included."""
    heard, ready = [], threading.Event()

    def listen():
        with app.connection() as connection:
            def note(event):
                heard.append(event)
                if event["type"] == "task-succeeded":
                    receiver.should_stop = True
            receiver = app.events.Receiver(connection, handlers={"*": note})
            ready.set()
            receiver.capture(limit=None, timeout=PATIENCE, wakeup=True)

    listener = threading.Thread(target=listen)
    listener.start()
    ready.wait(PATIENCE)
    wait_until("an event is heard", lambda: echo.delay(secret("watched")).get(PATIENCE) and heard)
    listener.join(PATIENCE)
    expect(any(MARKER in str(event) for event in heard), True)


def redelivery():
    """A message that was taken and not acknowledged comes back after its visibility timeout."""
    queue = Queue("unfinished", routing_key="unfinished")
    options = {"visibility_timeout": 0}
    with Connection(app.conf.broker_url, transport_options=options) as first:
        first.SimpleQueue(queue).put({"text": secret("unfinished")})
        taken = first.SimpleQueue(queue).get(timeout=PATIENCE)
        expect(taken.payload["text"], secret("unfinished"))
        with Connection(app.conf.broker_url, transport_options=options) as second:
            again = second.SimpleQueue(queue)
            again.channel.qos.restore_visible(interval=1)
            message = again.get(timeout=PATIENCE)
            expect((message.payload["text"], message.delivery_info["redelivered"]), (secret("unfinished"), True))
            message.reject(requeue=True)
            message = again.get(timeout=PATIENCE)
            message.ack()
        taken.ack()


def left_behind():
    """For the search of the database: tasks nobody takes, and one that is taken and not acknowledged."""
    for number in range(3):
        echo.apply_async((secret(f"left {number}"),), queue="nobody")
        echo_bytes.apply_async((secret("left").encode(),), queue="nobody")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--pool", choices=WORKERS, default="prefork")
    options.add_argument("--chords", action="store_true")
    options = options.parse_args()
    process = worker(options.pool)
    try:
        results()
        failures()
        canvas()
        if options.chords:
            chords()
        else:
            events()
            remote_control(options.pool)
            redelivery()
        left_behind()
    finally:
        process.terminate()
        expect(process.wait(PATIENCE), 0)


if __name__ == "__main__":
    main()

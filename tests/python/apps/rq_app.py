"""RQ: jobs, results, failures and retries, dependencies, scheduled and repeated jobs, registries, the worker's command."""

import subprocess
import sys
import zlib
from datetime import timedelta
from pathlib import Path

from common import MARKER, PATIENCE, REDIS_URL, expect, search_for, secret, wait_until
from redis import Redis
from rq import Queue, Repeat, Retry
from rq.command import send_shutdown_command
from rq.exceptions import DuplicateJobError
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.worker import Worker
from rq_tasks import echo, fail, note_success, progress

# Results stay for the search of the database.
KEEP = 1000


def work(*options):
    arguments = ["worker", "--burst", "--url", REDIS_URL, "--path", ".", "--logging_level", "WARNING", *options, "default"]
    command = [sys.executable, "-m", "rq.cli", *arguments]
    expect(subprocess.run(command, cwd=Path(__file__).parent, timeout=PATIENCE, check=False).returncode, 0)


def search_for_compressed(job):
    """Arguments and tracebacks are stored compressed: the marker cannot be seen, but the same bytes would be."""
    search_for(zlib.compress(job.data))


def main():
    connection = Redis.from_url(REDIS_URL)
    queue = Queue(connection=connection, result_ttl=KEEP)

    plain = queue.enqueue(echo, secret("one"), times=2, description=secret("described"), result_ttl=KEEP, on_success=note_success)
    search_for_compressed(plain)
    broken = queue.enqueue(fail, secret("broken"), failure_ttl=KEEP, meta={"note": secret("meta")})
    retried = queue.enqueue(fail, secret("retried"), retry=Retry(max=1), failure_ttl=KEEP)
    steps = queue.enqueue(progress, secret("half"), result_ttl=KEEP)
    after = queue.enqueue(echo, secret("after"), depends_on=[plain, steps], result_ttl=KEEP)
    many = queue.enqueue_many([Queue.prepare_data(echo, (secret(str(n)),), result_ttl=KEEP) for n in range(10)])
    expect(len(queue), 14)
    expect(plain.id in queue.job_ids, True)
    expect([job.args for job in queue.get_jobs(10, 1)], [many[6].args])
    expect(after.is_deferred, True)
    work()

    expect(Job.fetch(plain.id, connection).return_value(), [secret("one and back")] * 2)
    expect(connection.get(f"rq:noted:{plain.id}").decode(), secret(f"noted {secret('one and back')}"))
    expect(MARKER in str(broken.latest_result().exc_string), True)
    expect(broken.get_status(refresh=True), "failed")
    expect(Job.fetch(broken.id, connection).get_meta(), {"note": secret("meta")})
    retried.refresh()
    expect((retried.get_status(), retried.retries_left), ("failed", 0))
    expect(steps.get_meta(refresh=True), {"progress": secret("half")})
    expect(after.return_value(), [secret("after and back")])
    expect([job.return_value() for job in many], [[secret(f"{n} and back")] for n in range(10)])
    search_for_compressed(broken)

    failed, finished = FailedJobRegistry(queue=queue), FinishedJobRegistry(queue=queue)
    expect(set(failed.get_job_ids()), {broken.id, retried.id})
    expect((finished.count, StartedJobRegistry(queue=queue).count, len(queue)), (13, 0, 0))
    failed.requeue(broken.id)
    expect(queue.job_ids, [broken.id])
    queue.remove(broken.id)
    broken.cancel()
    after.delete()
    expect(finished.count, 12)

    soon = queue.enqueue_in(timedelta(seconds=1), echo, secret("soon"), result_ttl=KEEP)
    unique = queue.enqueue(echo, secret("unique"), job_id="unique", unique=True, result_ttl=KEEP)
    try:
        queue.enqueue(echo, secret("twice"), job_id="unique", unique=True)
        raise AssertionError("the same job twice")
    except DuplicateJobError:
        pass
    emptied = Queue("emptied", connection=connection)
    thrown_away = emptied.enqueue(echo, secret("thrown away"))
    expect((emptied.empty(), len(emptied), Job.exists(thrown_away.id, connection)), (1, 0, False))
    repeated = queue.enqueue(echo, secret("repeated"), repeat=Repeat(times=1, interval=1), result_ttl=KEEP)
    expect(ScheduledJobRegistry(queue=queue).get_job_ids(), [soon.id])
    process = subprocess.Popen(
        [sys.executable, "-m", "rq.cli", "worker", "--with-scheduler", "--url", REDIS_URL, "--path", ".", "--logging_level", "WARNING", "default"],
        cwd=Path(__file__).parent,
    )
    try:
        wait_until("the scheduled job is done", lambda: soon.get_status(refresh=True) == "finished")
        wait_until("the repeated job is done again", lambda: len(repeated.results()) == 2)
        expect((soon.return_value(), unique.return_value()), ([secret("soon and back")], [secret("unique and back")]))
        workers = Worker.all(connection)
        expect((len(workers), workers[0].queue_names()), (1, ["default"]))
        send_shutdown_command(connection, workers[0].name)
        expect(process.wait(PATIENCE), 0)
    finally:
        process.kill()
    expect(Worker.all(connection), [])

    # For the search of the database: jobs that nobody takes.
    for number in range(3):
        Queue("nobody", connection=connection).enqueue(echo, secret(f"left {number}"), description=secret("left"))


if __name__ == "__main__":
    main()

"""The jobs of rq_app.py; the worker imports this."""

from common import secret


def echo(text, times=1):
    return [f"{text} and back"] * times


def fail(text):
    raise ValueError(text)


def progress(text):
    from rq import get_current_job

    job = get_current_job()
    job.meta["progress"] = text
    job.save_meta()
    return job.meta["progress"]


def note_success(job, connection, result):
    connection.set(f"rq:noted:{job.id}", secret(f"noted {result[0]}"), ex=100)

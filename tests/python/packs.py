"""The scripts of redis-py, and those of Celery and RQ that store what applications send, one a line: library, name, body
in hexadecimal."""

import celery.backends.redis
import redis.lock
import rq.scripts

for name in ("RELEASE", "EXTEND", "REACQUIRE"):
    body = getattr(redis.lock.Lock, f"LUA_{name}_SCRIPT")
    print("redis-py", name.lower(), body.encode().hex(), sep="\t")
for name in ("CHORD_PART_RETURN_LUA", "CHORD_CLEANUP_LUA"):
    print("Celery", name, getattr(celery.backends.redis, name).encode().hex(), sep="\t")
for name in ("UNIQUE_ENQUEUE_SCRIPT",):
    print("RQ", name, getattr(rq.scripts, name).encode().hex(), sep="\t")

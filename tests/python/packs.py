"""The scripts of redis-py, one a line: library, name, body in hexadecimal."""

import redis.lock

for name in ("RELEASE", "EXTEND", "REACQUIRE"):
    body = getattr(redis.lock.Lock, f"LUA_{name}_SCRIPT")
    print("redis-py", name.lower(), body.encode().hex(), sep="\t")

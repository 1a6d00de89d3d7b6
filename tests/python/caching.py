"""redis-py's client-side cache through the sidecar: what others change is seen, and nothing is asked twice.

Usage: caching.py PORT DATABASE-PORT PASSWORD; the database's own port is for counting what reaches it.
"""

import sys
import time

import redis
from redis.cache import CacheConfig


def wait_for(what, ask):
    end = time.monotonic() + 10
    while not ask():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def main():
    port, database, password = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    cached = redis.Redis(port=port, protocol=3, cache_config=CacheConfig())
    other = redis.Redis(port=port)
    direct = redis.Redis(port=database, password=password)
    secret = b"PLAINTEXT-MARKER of the cache"

    def gets():
        return direct.info("commandstats").get("cmdstat_get", {"calls": 0})["calls"]

    for key in ("session:cached", "plain"):
        other.set(key, secret if key.startswith("session:") else b"first")
        first = cached.get(key)
        assert first == other.get(key), first
        before = gets()
        for _ in range(20):
            assert cached.get(key) == first
        assert gets() == before, "the cache was not used"
        other.set(key, secret + b" changed" if key.startswith("session:") else b"second")
        changed = other.get(key)
        wait_for(f"{key} changes", lambda: cached.get(key) == changed)
        # Around the sidecar as well: what is not its own is no less changed.
        direct.delete(key)
        wait_for(f"{key} goes", lambda: cached.get(key) is None)
    other.set("session:cached", secret)
    wait_for("it is back", lambda: cached.get("session:cached") == secret)
    # A late invalidation may have emptied it once more.
    wait_for("it is cached", lambda: cached.get("session:cached") == secret and cached.get_cache().size > 0)
    print("redis-py", redis.__version__, "ok")


main()

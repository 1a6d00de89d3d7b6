"""redis-py's own scripts and its way of running scripts, through a sidecar that has rules.

Every step is checked here; the caller checks the database.
"""

import argparse

import redis
from redis.exceptions import ExecAbortError, LockError, ResponseError

COUNT = """
local current = redis.call('INCR', KEYS[1])
if current == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return current
"""


def lock(client):
    """Acquire, extend, reacquire, release, and what another holder may not do."""
    first = client.lock("lock:one", timeout=30)
    assert first.acquire(blocking=False)
    assert not client.lock("lock:one", timeout=30).acquire(blocking=False)
    assert first.extend(30)
    assert 30_000 < client.pttl("lock:one") <= 60_000
    assert first.reacquire()
    assert client.pttl("lock:one") <= 30_000
    client.set("lock:one", "somebody else's")
    try:
        first.release()
        raise AssertionError("released a lock that was another's")
    except LockError:
        pass
    client.delete("lock:one")
    with client.lock("lock:two", timeout=30):
        assert client.exists("lock:two")
    assert not client.exists("lock:two")


def registered(client):
    """register_script: EVALSHA, NOSCRIPT, the body, EVALSHA; and in a pipeline, a transaction."""
    count = client.register_script(COUNT)
    assert count(keys=["hits:a"], args=[60_000]) == 1
    assert count(keys=["hits:a"], args=[60_000]) == 2
    # What redis-py does before a pipeline: SCRIPT EXISTS, then SCRIPT LOAD for what is missing.
    for transaction in (False, True):
        other = client.register_script(COUNT + f"-- {transaction}\n")
        with client.pipeline(transaction=transaction) as pipe:
            other(keys=["hits:b"], args=[60_000], client=pipe)
            pipe.set("plain", "1")
            other(keys=["hits:b"], args=[60_000], client=pipe)
            first, _, second = pipe.execute()
        assert second == first + 1
    assert client.script_flush()
    assert count(keys=["hits:a"], args=[60_000]) == 3


def loaded_elsewhere(client, body):
    """A script that the server has and the sidecar has not seen."""
    script = client.register_script(body)
    with client.pipeline(transaction=True) as pipe:
        script(keys=["hits:c"], client=pipe)
        assert pipe.execute() == ["hits:c"]
    assert client.script_exists(script.sha) == [True]


def refused(client):
    """A protected key that is declared, and one that is not."""
    for script, keys in [(COUNT, ["session:1"]), ("return redis.call('GET', 'session:1')", [])]:
        try:
            client.eval(script, len(keys), *keys, 1)
            raise AssertionError("not refused")
        except ResponseError as error:
            assert "WAXSEAL" in str(error), error
    with client.pipeline(transaction=True) as pipe:
        pipe.set("untouched", "1")
        pipe.eval("return redis.call('GET', ARGV[1])", 0, "session:1")
        try:
            pipe.execute()
            raise AssertionError("not refused")
        except (ExecAbortError, ResponseError) as error:
            assert "SCRIPT_REFUSED" in str(error) or "EXECABORT" in str(error), error
    assert not client.exists("untouched")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--protocol", type=int, default=2)
    parser.add_argument("--loaded", required=True, help="the body of a script that only the server has seen")
    options = parser.parse_args()
    client = redis.Redis(port=options.port, protocol=options.protocol, decode_responses=True)
    loaded_elsewhere(client, options.loaded)
    lock(client)
    registered(client)
    refused(client)
    print("ok")


if __name__ == "__main__":
    main()

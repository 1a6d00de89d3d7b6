#!/usr/bin/env python3
"""redis-py, unmodified, through Waxseal: what an application does with protected and with other keys.

Needs a server whose rules cover session:* and user:*. Exits 1 when anything differs from what Redis itself would
have done. Every value under a protected key carries MARKER, so that the caller can search the database for it.
With --direct the server is a Redis without Waxseal, which shows that the expectations here are Redis's own.
"""

import argparse
import asyncio
import sys
import threading
import time
import traceback
import warnings

MARKER = b"PLAINTEXT-MARKER"
ALL_BYTES = bytes(range(256))
PIPELINE_DEPTH = 1000
LARGE = 5 * 1024 * 1024
# Long enough for a busy machine; every wait has it.
PATIENCE = 20

TESTS = []


def test(function):
    TESTS.append(function)
    return function


def secret(name):
    return MARKER + b" " + name.encode()


def expect(actual, wanted):
    if actual != wanted:
        raise AssertionError(f"got {shorten(actual)}, wanted {shorten(wanted)}")


def shorten(value):
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]}... ({len(text)} characters)"


class Context:
    def __init__(self, options, redis):
        self.options, self.redis = options, redis
        self.prefix = options.prefix

    def connection(self, **more):
        settings = dict(protocol=self.options.protocol, socket_timeout=PATIENCE, **more)
        if self.options.password_file:
            settings["password"] = open(self.options.password_file, encoding="utf-8").read().strip()
        if self.options.unix:
            return self.redis.Redis(unix_socket_path=self.options.unix, **settings)
        return self.redis.Redis(host="127.0.0.1", port=self.options.port, **settings)

    def session(self, name):
        return f"session:{self.prefix}:{name}"

    def user(self, name):
        return f"user:{self.prefix}:{name}"

    def open_key(self, name):
        return f"open:{self.prefix}:{name}"


@test
def strings(c, r):
    key = c.session("string")
    expect(r.set(key, secret("one")), True)
    expect(r.get(key), secret("one"))
    expect(r.getset(key, secret("two")), secret("one"))
    expect(r.setnx(key, secret("no")), False)
    expect(r.setex(key, 100, secret("three")), True)
    expect(98 <= r.ttl(key) <= 100, True)
    expect(r.psetex(key, 100_000, secret("four")), True)
    expect(r.getex(key, persist=True), secret("four"))
    expect(r.ttl(key), -1)
    expect(r.getex(key, ex=50), secret("four"))
    expect(48 <= r.ttl(key) <= 50, True)
    expect(r.getdel(key), secret("four"))
    expect(r.get(key), None)
    expect(r.setnx(key, secret("five")), True)
    expect(r.get(key), secret("five"))


@test
def set_options(c, r):
    key = c.session("options")
    expect(r.set(key, secret("a"), xx=True), None)
    expect(r.set(key, secret("a"), nx=True), True)
    expect(r.set(key, secret("b"), nx=True), None)
    expect(r.set(key, secret("c"), xx=True, get=True), secret("a"))
    expect(r.set(key, secret("d"), ex=100), True)
    expect(r.set(key, secret("e"), keepttl=True), True)
    expect(98 <= r.ttl(key) <= 100, True)
    expect(r.set(key, secret("f"), px=90_000), True)
    expect(r.set(key, secret("g"), exat=int(time.time()) + 70), True)
    expect(60 <= r.ttl(key) <= 70, True)
    expect(r.set(key, secret("h"), pxat=int(time.time() * 1000) + 40_000), True)
    expect(30_000 <= r.pttl(key) <= 40_000, True)
    expect(r.set(key, secret("i"), get=True), secret("h"))
    expect(r.set(c.session("absent"), secret("j"), get=True), None)
    expect(r.get(key), secret("i"))


@test
def many_keys(c, r):
    a, b, missing, plain = c.session("m1"), c.user("m2"), c.session("m3"), c.open_key("m4")
    expect(r.mset({a: secret("1"), b: secret("2"), plain: b"in clear"}), True)
    expect(r.mget([a, missing, b, plain]), [secret("1"), None, secret("2"), b"in clear"])
    expect(r.msetnx({a: secret("x"), missing: secret("y")}), False)
    expect(r.get(missing), None)
    expect(r.msetnx({missing: secret("3"), c.session("m5"): secret("5")}), True)
    expect(r.mget([missing, c.session("m5")]), [secret("3"), secret("5")])


@test
def hashes(c, r):
    key = c.user("hash")
    expect(r.hset(key, "name", secret("ann")), 1)
    expect(r.hset(key, mapping={"mail": secret("mail"), "age": secret("30"), "": secret("empty field")}), 3)
    expect(r.execute_command("HMSET", key, "town", secret("bern")) in (True, b"OK"), True)
    expect(r.hsetnx(key, "name", secret("no")), False)
    expect(r.hsetnx(key, "fresh", secret("fresh")), True)
    fields = {
        b"name": secret("ann"),
        b"mail": secret("mail"),
        b"age": secret("30"),
        b"": secret("empty field"),
        b"town": secret("bern"),
        b"fresh": secret("fresh"),
    }
    expect(r.hget(key, "name"), secret("ann"))
    expect(r.hget(key, "none"), None)
    expect(r.hmget(key, ["mail", "none", "age"]), [secret("mail"), None, secret("30")])
    expect(r.hgetall(key), fields)
    expect(sorted(r.hvals(key)), sorted(fields.values()))
    expect(sorted(r.hkeys(key)), sorted(fields))
    expect(dict(pairs(r.hrandfield(key, 10, withvalues=True))), fields)
    expect(len(pairs(r.hrandfield(key, -20, withvalues=True))), 20)
    expect(all(fields[f] == v for f, v in pairs(r.hrandfield(key, -20, withvalues=True))), True)
    expect(r.hrandfield(key) in fields, True)
    expect(r.hscan(key), (0, fields))
    expect(dict(r.hscan_iter(key, match="*a*")), {f: v for f, v in fields.items() if b"a" in f})
    expect(r.hexists(key, "name"), True)
    expect(r.hlen(key), 6)
    expect(r.hdel(key, "fresh", "none"), 1)
    expect(r.hgetall(c.user("no hash")), {})
    expect(r.hvals(c.user("no hash")), [])


def pairs(reply):
    """HRANDFIELD WITHVALUES is flat in RESP2 and a list of pairs in RESP3."""
    if reply and isinstance(reply[0], (list, tuple)):
        return [tuple(pair) for pair in reply]
    return list(zip(reply[::2], reply[1::2]))


@test
def large_hash(c, r):
    key = c.user("large hash")
    fields = {f"field {i}".encode(): secret(f"value {i}") for i in range(3000)}
    expect(r.hset(key, mapping=fields), 3000)
    expect(dict(r.hscan_iter(key, count=100)), fields)
    expect(r.hgetall(key), fields)


@test
def keys_without_values(c, r):
    key = c.session("plain commands")
    r.set(key, secret("x"))
    expect(r.exists(key, c.session("nope")), 1)
    expect(r.type(key), b"string")
    expect(r.expire(key, 100), True)
    expect(r.persist(key), True)
    expect(r.ttl(key), -1)
    expect(key.encode() in set(r.scan_iter(match=f"session:{c.prefix}:*")), True)
    expect(r.touch(key), 1)
    expect(r.delete(key), 1)
    r.set(key, secret("x"))
    expect(r.unlink(key), 1)
    expect(r.exists(key), 0)


@test
def binary_and_large(c, r):
    key = c.session("binary")
    value = MARKER + ALL_BYTES * 3
    expect(r.set(key, value), True)
    expect(r.get(key), value)
    expect(r.set(key, b""), True)
    expect(r.get(key), b"")
    name = b"session:" + c.prefix.encode() + b":" + ALL_BYTES
    expect(r.set(name, value), True)
    expect(r.get(name), value)
    expect(r.hset(c.user("binary"), ALL_BYTES, value), 1)
    expect(r.hgetall(c.user("binary")), {ALL_BYTES: value})
    large = (MARKER + ALL_BYTES) * (LARGE // (256 + len(MARKER)) + 1)
    expect(r.set(key, large), True)
    expect(r.get(key) == large, True)
    expect(r.hset(c.user("large"), "f", large), 1)
    expect(r.hget(c.user("large"), "f") == large, True)
    expect(r.set(c.open_key("large"), large.replace(MARKER, b"")), True)
    expect(r.get(c.open_key("large")) == large.replace(MARKER, b""), True)


@test
def client_data_that_looks_sealed(c, r):
    """Bytes that begin as ours do are a value like any other."""
    key = c.session("looks sealed")
    raw = bytes([0xDA, 0x57, 0x5E, 1, 2, 3, 4]) + MARKER * 5
    expect(r.set(key, raw), True)
    expect(r.get(key), raw)


@test
def pipelines(c, r):
    pipe = r.pipeline(transaction=False)
    for i in range(PIPELINE_DEPTH):
        pipe.set(c.session(f"p{i % 50}"), secret(f"p{i}"))
        pipe.get(c.session(f"p{i % 50}"))
        pipe.incr(c.open_key("counter"))
    replies = pipe.execute()
    expect(len(replies), 3 * PIPELINE_DEPTH)
    for i in range(PIPELINE_DEPTH):
        expect(replies[3 * i : 3 * i + 3], [True, secret(f"p{i}"), i + 1])


@test
def transactions(c, r):
    key, counter = c.session("transaction"), c.open_key("transaction counter")
    pipe = r.pipeline(transaction=True)
    pipe.set(key, secret("t1")).get(key).incr(counter).hset(c.user("t"), "f", secret("t2")).hgetall(c.user("t"))
    expect(pipe.execute(), [True, secret("t1"), 1, 1, {b"f": secret("t2")}])

    # redis-py's default pipeline is a transaction: counters and their time to live.
    hits = c.session("hits")
    pipe = r.pipeline()
    pipe.incr(hits).expire(hits, 100).incrby(hits, 5).hincrby(c.user("hits"), "n", 2).append(key, secret("+"))
    expect(pipe.execute(), [1, True, 6, 2, len(secret("t1")) + len(secret("+"))])
    expect([r.get(hits), r.ttl(hits) > 90, r.hget(c.user("hits"), "n")], [b"6", True, b"2"])
    r.set(key, secret("t1"))

    # WATCH, nobody interferes.
    with r.pipeline() as pipe:
        pipe.watch(key)
        expect(pipe.get(key), secret("t1"))
        pipe.multi()
        pipe.set(key, secret("t3"))
        pipe.mget([key, c.session("none")])
        expect(pipe.execute(), [True, [secret("t3"), None]])

    # WATCH, somebody else writes between.
    with r.pipeline() as pipe:
        pipe.watch(key)
        pipe.get(key)
        c.connection().set(key, secret("t4"))
        pipe.multi()
        pipe.set(key, secret("t5"))
        try:
            pipe.execute()
        except c.redis.WatchError:
            pass
        else:
            raise AssertionError("EXEC went through although the watched key had changed")
    expect(r.get(key), secret("t4"))

    # DISCARD leaves everything as it was.
    with r.pipeline() as pipe:
        pipe.watch(key)
        pipe.multi()
        pipe.set(key, secret("t6"))
        pipe.reset()
    expect(r.get(key), secret("t4"))

    # An error of one command does not take the others' replies away.
    r.rpush(c.open_key("t list"), "x")
    pipe = r.pipeline(transaction=True)
    pipe.set(key, secret("t7"))
    pipe.incr(c.open_key("t list"))
    pipe.get(key)
    replies = pipe.execute(raise_on_error=False)
    expect([type(replies[1]).__name__, replies[0], replies[2]], ["ResponseError", True, secret("t7")])


@test
def blocking(c, r):
    key = c.open_key("queue")
    expect(c.connection().blpop([key], timeout=0.2), None)
    got = []
    thread = threading.Thread(target=lambda: got.append(c.connection().blpop([key], timeout=PATIENCE)))
    thread.start()
    time.sleep(0.2)
    expect(r.rpush(key, "job"), 1)
    thread.join(PATIENCE)
    expect([tuple(item) for item in got], [(key.encode(), b"job")])


@test
def publish_subscribe(c, r):
    channel, plain = f"session:{c.prefix}:news", f"open:{c.prefix}:news"
    subscriber = c.connection().pubsub(ignore_subscribe_messages=True)
    by_pattern = c.connection().pubsub(ignore_subscribe_messages=True)
    subscriber.subscribe(channel, plain)
    by_pattern.psubscribe(f"session:{c.prefix}:n*")
    wait_for(lambda: r.pubsub_numsub(channel)[0][1] == 1 and r.pubsub_numpat() >= 1, subscriber, by_pattern)
    expect(r.publish(channel, secret("news")), 2)
    expect(r.publish(plain, b"open news"), 1)
    expect([(m["channel"], m["data"]) for m in messages(subscriber, 2)],
           [(channel.encode(), secret("news")), (plain.encode(), b"open news")])
    message = messages(by_pattern, 1)[0]
    expect((message["type"], message["channel"], message["data"]), ("pmessage", channel.encode(), secret("news")))
    subscriber.unsubscribe()
    subscriber.close()
    by_pattern.close()


def wait_for(condition, *subscribers):
    end = time.time() + PATIENCE
    while not condition():
        for subscriber in subscribers:
            subscriber.get_message(timeout=0.01)
        if time.time() > end:
            raise AssertionError("the subscription did not come about")


def messages(subscriber, count):
    found, end = [], time.time() + PATIENCE
    while len(found) < count and time.time() < end:
        message = subscriber.get_message(timeout=0.1)
        if message is not None:
            found.append(message)
    return found


@test
def keys_of_no_rule(c, r):
    key = c.open_key("raw")
    expect(r.set(key, "10"), True)
    expect(r.incrby(key, 5), 15)
    expect(r.append(key, "0"), 3)
    expect(r.getrange(key, 0, 1), b"15")
    expect(r.rpush(c.open_key("list"), "a", "b", "c"), 3)
    expect(r.lrange(c.open_key("list"), 0, -1), [b"a", b"b", b"c"])
    expect(r.sadd(c.open_key("set"), "a", "b"), 2)
    expect(set(r.smembers(c.open_key("set"))), {b"a", b"b"})
    expect(r.zadd(c.open_key("zset"), {"a": 1.5, "b": 2}), 2)
    expect([list(pair) for pair in r.zrange(c.open_key("zset"), 0, -1, withscores=True)], [[b"a", 1.5], [b"b", 2.0]])
    expect(r.eval("return redis.call('GET', KEYS[1])", 1, key), b"150")
    expect(len(r.xadd(c.open_key("stream"), {"f": "v"})) > 3, True)
    expect(r.xrange(c.open_key("stream"))[0][1], {b"f": b"v"})
    expect(r.rename(key, c.open_key("raw2")), True)


@test
def computing(c, r):
    """What computes on a value works on an encrypted one."""
    key, field = c.session("computing"), c.user("computing")
    r.delete(key, field)
    expect(r.append(key, secret("a")), len(secret("a")))
    expect(r.append(key, secret("b")), len(secret("a")) + len(secret("b")))
    expect(r.strlen(key), len(secret("a")) + len(secret("b")))
    expect(r.getrange(key, 0, len(secret("a")) - 1), secret("a"))
    expect(r.setrange(key, 0, secret("c")), len(secret("a")) + len(secret("b")))
    expect(r.get(key), secret("c") + secret("b"))
    expect(r.hincrby(field, "n", 5), 5)
    expect(r.hincrbyfloat(field, "n", 0.5), 5.5)
    expect(r.hstrlen(field, "n"), 3)
    expect(r.set(key, "41", ex=100), True)
    expect(r.incr(key), 42)
    expect(r.incrbyfloat(key, 0.25), 42.25)
    expect(r.ttl(key) > 90, True)
    expect(r.setbit(key, 0, 1), 0)
    expect(r.getbit(key, 0), 1)


@test
def refusals(c, r):
    """What this version cannot do on ciphertext is an error, not a wrong answer and not a leak."""
    if c.options.direct:
        return
    key = c.session("refused")
    r.set(key, secret("keep"))
    for command in (
        ["SMOVE", c.session("refused set"), c.open_key("stolen"), secret("m")],
        ["PFADD", c.session("refused hll"), secret("h")],
        ["RENAME", key, c.open_key("stolen")],
        ["COPY", key, c.open_key("stolen")],
        ["EVAL", "return redis.call('SET', KEYS[1], ARGV[1])", "1", key, secret("e")],
        ["BITOP", "NOT", c.open_key("stolen"), key],
    ):
        try:
            reply = r.execute_command(*command)
        except c.redis.ResponseError as error:
            if "WAXSEAL" not in str(error):
                raise AssertionError(f"{command[0]}: an error that is not ours") from error
            if MARKER.decode() in str(error):
                raise AssertionError(f"{command[0]}: the error shows a value") from error
        else:
            raise AssertionError(f"{command[0]} was let through with {shorten(reply)}")
    expect(r.get(key), secret("keep"))
    expect(r.exists(c.open_key("stolen"), c.session("refused list")), 0)


@test
def connection_commands(c, r):
    expect(r.ping(), True)
    expect(r.echo("hello"), b"hello")
    named = c.connection(client_name=f"app-{c.prefix}", single_connection_client=True)
    expect(named.client_getname() in (f"app-{c.prefix}", f"app-{c.prefix}".encode()), True)
    expect(isinstance(named.client_id(), int), True)
    expect(named.client_info()["name"], f"app-{c.prefix}")
    expect(any(entry["name"] == f"app-{c.prefix}" for entry in r.client_list()), True)
    r.set(c.session("any"), secret("any"))
    expect(r.dbsize() > 0, True)
    expect("redis_version" in r.info("server"), True)


@test
def databases(c, r):
    if c.options.one_database:
        return
    other = c.connection(db=1)
    other.set(c.session("db"), secret("database one"))
    r.set(c.session("db"), secret("database zero"))
    expect([other.get(c.session("db")), r.get(c.session("db"))], [secret("database one"), secret("database zero")])


@test
def many_threads(c, r):
    """One client object, many threads: nobody gets another's reply."""
    wrong = []

    def work(worker):
        for i in range(100):
            value = secret(f"{worker} {i}")
            r.set(c.session(f"thread {worker}"), value)
            if r.get(c.session(f"thread {worker}")) != value:
                wrong.append((worker, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    expect(wrong, [])


@test
def asynchronous(c, _r):
    async def run():
        if c.options.unix:
            place = {"unix_socket_path": c.options.unix}
        else:
            place = {"host": "127.0.0.1", "port": c.options.port}
        if c.options.password_file:
            place["password"] = open(c.options.password_file, encoding="utf-8").read().strip()
        async with c.redis.asyncio.Redis(protocol=c.options.protocol, **place) as client:
            keys = [c.session(f"async {n}") for n in range(50)]
            await asyncio.gather(*(client.set(key, secret(key)) for key in keys))
            expect(await asyncio.gather(*(client.get(key) for key in keys)), [secret(key) for key in keys])
            async with client.pipeline(transaction=True) as pipe:
                expect(await pipe.get(keys[0]).hset(c.user("async"), "f", secret("f")).execute(), [secret(keys[0]), 1])

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int)
    parser.add_argument("--unix")
    parser.add_argument("--protocol", type=int, choices=(2, 3), default=2)
    parser.add_argument("--pure", action="store_true", help="without hiredis")
    parser.add_argument("--prefix", default="py")
    parser.add_argument("--direct", action="store_true")
    parser.add_argument("--password-file")
    parser.add_argument("--one-database", action="store_true", help="the server has no other, as Upstash")
    options = parser.parse_args()
    if options.pure:
        sys.modules["hiredis"] = None  # the import fails as if it were not installed
    warnings.simplefilter("ignore", DeprecationWarning)  # SETEX and its like are used on purpose
    import redis
    import redis.asyncio
    from redis.utils import HIREDIS_AVAILABLE

    expect(HIREDIS_AVAILABLE, not options.pure)
    context = Context(options, redis)
    client = context.connection()
    failed = 0
    for function in TESTS:
        try:
            function(context, client)
        except Exception:  # one failure must not hide the others
            failed += 1
            print(f"FAILED {function.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{len(TESTS) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

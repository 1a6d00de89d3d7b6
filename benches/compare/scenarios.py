"""What is asked of every way: the loads, and what they find in the database."""

from dataclasses import dataclass, field

SMALL, MEDIUM, LARGE, HUGE = 100, 1024, 64 * 1024, 1024 * 1024
SIZES = {"100b": SMALL, "1k": MEDIUM, "64k": LARGE, "1m": HUGE}
# How many keys of each size: 1,000 small ones fit Waxseal's cache of derived keys, WIDE do not.
KEYS = {SMALL: 1000, MEDIUM: 1000, LARGE: 100, HUGE: 16}
WIDE = 100_000
ELEMENTS = 100_000
# Seconds of a run. redis-benchmark counts the time it takes to connect, which is long where there is a handshake for each client.
CONNECTED = {1: 1.0, 50: 2.0, 500: 3.0}
RANDOM = "__rand_int__"
# In names of keys and commands it stands for the way's own prefix.
PREFIX = "@"


@dataclass(frozen=True)
class Load:
    """What one redis-benchmark does."""

    command: tuple
    clients: int = 50
    pipeline: int = 1
    keys: int = 1000
    stdin: bytes | None = None

    def under(self, prefix):
        command = tuple(word.replace(PREFIX, prefix) for word in self.command)
        return Load(command, self.clients, self.pipeline, self.keys, self.stdin)


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    load: Load
    # What must be in the database: sizes of values, "wide", or the length of a list.
    data: tuple = (SMALL,)
    # How long a run is to take, in the full form.
    seconds: float = 1.0
    # Milliseconds of round trip added between proxy and database.
    round_trip: int = 0
    # What runs meanwhile.
    beside: tuple = ()
    ways: tuple = ()
    rounds: int = 100
    group: str = field(default="", compare=False)


def get(size, **how):
    return Load(("GET", f"{PREFIX}:{size}:{RANDOM}"), keys=KEYS[size], **how)


def value(size):
    return b"v" * size


def set_(size, **how):
    # Through standard input, because an argument holds 128 KiB at most.
    return Load(("SET", f"{PREFIX}:{size}:{RANDOM}"), keys=KEYS[size], stdin=value(size), **how)


def lrange(elements, clients):
    return Load(("LRANGE", f"{PREFIX}:list:{elements}", "0", "-1"), clients=clients)


VERBS = {"get": get, "set": set_}


def clients(count):
    return "1 client" if count == 1 else f"{count} clients"


def small_values():
    for count, pipeline in [(1, 1), (50, 1), (500, 1), (1, 16), (50, 16), (500, 16), (1, 100), (50, 100)]:
        for verb, load in VERBS.items():
            suffix = f"-p{pipeline}" if pipeline > 1 else ""
            title = f"{verb.upper()} 100 B, {clients(count)}" + (f", pipeline {pipeline}" if pipeline > 1 else "")
            yield Scenario(f"{verb}-{count}{suffix}", title, load(SMALL, clients=count, pipeline=pipeline), seconds=CONNECTED[count])
    load = Load(("GET", f"{PREFIX}:wide:{RANDOM}"), keys=WIDE)
    yield Scenario("get-50-wide", f"GET 100 B, 50 clients, {WIDE:,} keys", load, data=("wide",))


def sizes():
    for label, count in [("1k", 50), ("64k", 16), ("1m", 16)]:
        size = SIZES[label]
        for verb, load in VERBS.items():
            written = label.replace("k", " KiB").replace("m", " MiB")
            yield Scenario(f"{verb}-{label}", f"{verb.upper()} {written}, {clients(count)}", load(size, clients=count), data=(size,))


def many():
    mget = Load(("MGET", *[f"{PREFIX}:{SMALL}:{RANDOM}"] * 100))
    yield Scenario("mget-100", "MGET of 100 keys, 50 clients", mget)
    yield Scenario("lrange", f"LRANGE of {ELEMENTS:,} elements, 4 clients", lrange(ELEMENTS, 4), data=(ELEMENTS,))


def far():
    for trip in (5, 20):
        for verb, load in VERBS.items():
            yield Scenario(f"{verb}-50-{trip}ms", f"{verb.upper()} 100 B, 50 clients, {trip} ms", load(SMALL), round_trip=trip)


def mix():
    # Enough that one in a hundred is more than one; four readers of 1 MiB, and a command that holds the database up.
    small = get(SMALL, clients=10)
    besides = {"alone": (), "large": (get(HUGE, clients=4),), "slow": (get(HUGE, clients=4), lrange(ELEMENTS, 1))}
    words = {"alone": "alone", "large": "beside 4 readers of 1 MiB", "slow": f"and an LRANGE of {ELEMENTS:,}"}
    for trip in (5, 20):
        for name, loads in besides.items():
            yield Scenario(f"mix-{trip}ms-{name}", f"GET 100 B, 10 clients, {trip} ms, {words[name]}", small,
                           data=(SMALL, HUGE, ELEMENTS), seconds=2.5, round_trip=trip, beside=loads, rounds=3)


GROUPS = {
    "small": ("100 B", small_values),
    "sizes": ("Larger values", sizes),
    "many": ("Many values in a reply", many),
    "far": ("With added round trip", far),
    "mix": ("Small GETs beside others", mix),
}


def scenarios():
    for group, (_, make) in GROUPS.items():
        for scenario in make():
            yield Scenario(**{**scenario.__dict__, "group": group})


def fill(client, prefix, what):
    """Puts what a scenario needs into the database, through `client`."""
    pipeline = client.pipeline(transaction=False)
    if what == "wide":
        for n in range(WIDE):
            pipeline.set(f"{prefix}:wide:{n:012}", value(SMALL))
            if n % 1000 == 999:
                pipeline.execute()
    elif what in KEYS:
        for n in range(KEYS[what]):
            pipeline.set(f"{prefix}:{what}:{n:012}", value(what))
            if what * len(pipeline) > 8 * HUGE:
                pipeline.execute()
    else:
        name = f"{prefix}:list:{what}"
        pipeline.delete(name)
        for start in range(0, what, 1000):
            pipeline.rpush(name, *(f"{n:010}" for n in range(start, min(start + 1000, what))))
    pipeline.execute()

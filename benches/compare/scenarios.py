"""What is asked of every way."""

from dataclasses import replace

from workload import (
    ALL_ROUNDS, ELEMENTS, FEWER_ROUNDS, HUGE, LARGE, MEDIUM, PREFIX, RANDOM, SMALL, VALUES, Data, Load, Scenario, get, list_of, lrange,
    set_, values_of,
)

SIZES = {"1k": MEDIUM, "64k": LARGE, "1m": HUGE}
# As many keys do not fit Waxseal's cache of derived keys; the 1,000 of other loads do.
WIDE = 100_000
# Seconds of a run, by clients. redis-benchmark counts the time it takes to connect, up to 0.1 s where 50 clients shake hands.
SECONDS = {1: 0.7, 50: 3.0, 500: 1.5}
VERBS = {"get": get, "set": set_}


def clients(count):
    return "1 client" if count == 1 else f"{count} clients"


def small_values():
    for count, pipeline in [(1, 1), (50, 1), (500, 1), (1, 16), (50, 16), (500, 16), (50, 100)]:
        rounds = ALL_ROUNDS if (count, pipeline) in [(1, 1), (50, 1), (50, 16)] else FEWER_ROUNDS
        for verb, load in VERBS.items():
            name, title = f"{verb}-{count}", f"{verb.upper()} 100 B, {clients(count)}"
            if pipeline > 1:
                name, title = f"{name}-p{pipeline}", f"{title}, pipeline {pipeline}"
            yield Scenario(name, title, load(SMALL, clients=count, pipeline=pipeline), seconds=SECONDS[count], rounds=rounds)
    load = Load(("GET", f"{PREFIX}:wide:{RANDOM}"), keys=WIDE)
    yield Scenario("get-50-wide", f"GET 100 B, 50 clients, {WIDE:,} keys", load, data=(Data("wide", WIDE, SMALL),), rounds=FEWER_ROUNDS)


def sizes():
    for label, count in [("1k", 50), ("64k", 16), ("1m", 16)]:
        size = SIZES[label]
        for verb, load in VERBS.items():
            written = label.replace("k", " KiB").replace("m", " MiB")
            yield Scenario(f"{verb}-{label}", f"{verb.upper()} {written}, {clients(count)}", load(size, clients=count), data=(values_of(size),))


def many():
    mget = Load(("MGET", *[f"{PREFIX}:{SMALL}:{RANDOM}"] * 100))
    yield Scenario("mget-100", "MGET of 100 keys, 50 clients", mget)
    yield Scenario("lrange", f"LRANGE of {ELEMENTS:,} elements, 4 clients", lrange(ELEMENTS, 4), data=(list_of(ELEMENTS),))


def far():
    for trip in (5, 20):
        for verb, load in VERBS.items():
            yield Scenario(f"{verb}-50-{trip}ms", f"{verb.upper()} 100 B, 50 clients, {trip} ms", load(SMALL), round_trip=trip)


def mix():
    # Enough that one in a hundred is more than one; four readers of 1 MiB, and a command that holds the database up.
    small = get(SMALL, clients=10)
    besides = {"alone": (), "large": (get(HUGE, clients=4),), "slow": (get(HUGE, clients=4), lrange(ELEMENTS, 1))}
    words = {"alone": "alone", "large": "beside 4 readers of 1 MiB", "slow": f"beside these and an LRANGE of {ELEMENTS:,}"}
    for trip in (5, 20):
        for name, loads in besides.items():
            yield Scenario(f"mix-{trip}ms-{name}", f"GET 100 B, 10 clients, {trip} ms, {words[name]}", small,
                           data=(VALUES, values_of(HUGE), list_of(ELEMENTS)), seconds=2.0, round_trip=trip, beside=loads, rounds=FEWER_ROUNDS)


GROUPS = {
    "small": ("100 B", small_values),
    "sizes": ("Larger values", sizes),
    "many": ("Many values in a reply", many),
    "far": ("With added round trip", far),
    "mix": ("Small GETs beside others", mix),
}


def scenarios():
    return [replace(scenario, group=group) for group, (_, make) in GROUPS.items() for scenario in make()]

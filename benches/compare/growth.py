"""How Waxseal's cost grows: with bytes and elements, which it should follow in a line, and with rules and idle
connections, which it should not notice."""

from peers import WAY, Way, waxseal
from workload import FEWER_ROUNDS, HUGE, SMALL, VALUES, Scenario, get, list_of, lrange, set_, values_of

BOTH = (WAY["waxseal"], WAY["waxseal-all"])
ALL = (WAY["waxseal-all"],)


def by_bytes(verb, load):
    for size in (SMALL, 1024, 4096, 16384, 65536, 262144, HUGE):
        yield size, Scenario("", f"{verb}, {size:,} bytes", load(size, clients=16), data=(values_of(size),), ways=BOTH)


def by_elements():
    for elements in (10, 100, 1000, 10_000, 100_000):
        yield elements, Scenario("", f"LRANGE, {elements:,} elements", lrange(elements, 4), data=(list_of(elements),), ways=BOTH)


def by_rules():
    for rules in (1, 10, 100, 1000, 10_000):
        way = Way(f"waxseal-{rules}", f"Waxseal, {rules:,} rules", prefix="e", command=waxseal(rules=rules))
        yield rules, Scenario("", f"GET 100 B, {rules:,} rules", get(SMALL), data=(VALUES,), ways=(way,))


def by_idle_connections():
    for idle in (0, 1000, 4000):
        yield idle, Scenario("", f"GET 100 B, {idle:,} idle connections beside it", get(SMALL), data=(VALUES,), ways=ALL, idle=idle)


# Name: what it grows with, and its points.
CURVES = {
    "get": ("bytes of a GET", lambda: by_bytes("GET", get)),
    "set": ("bytes of a SET", lambda: by_bytes("SET", set_)),
    "lrange": ("elements of an LRANGE", by_elements),
    "rules": ("rules in the configuration", by_rules),
    "idle": ("idle connections beside 50", by_idle_connections),
}


def name_of(curve, x):
    return f"growth-{curve}-{x}"


def points():
    """Scenarios as of any other group."""
    for curve, (_, make) in CURVES.items():
        for x, scenario in make():
            yield Scenario(**{**vars(scenario), "name": name_of(curve, x), "rounds": FEWER_ROUNDS, "group": "growth"})

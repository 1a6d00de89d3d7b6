"""What a scenario is made of: loads, and what they find in the database."""

from dataclasses import dataclass, replace

SMALL, MEDIUM, LARGE, HUGE = 100, 1024, 64 * 1024, 1024 * 1024
ELEMENTS = 100_000
# In how many rounds a scenario takes part at most. What few goals are about has fewer, for all together take 40 minutes.
ALL_ROUNDS, FEWER_ROUNDS = 100, 3
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
        return replace(self, command=command)


def keys_of(size):
    """How many keys there are of that size."""
    return max(16, min(1000, 6 * HUGE // size))


def value(size):
    return b"v" * size


@dataclass(frozen=True)
class Data:
    """What a scenario reads: `count` values of `size` bytes, or one list of `count` elements where there is no size."""

    name: str
    count: int
    size: int = 0

    def write(self, client, prefix, most):
        """Through `client`; at most so many values, of which the short form needs few."""
        pipeline = client.pipeline(transaction=False)
        name = f"{prefix}:{self.name}"
        if self.size:
            for n in range(min(self.count, most)):
                pipeline.set(f"{name}:{n:012}", value(self.size))
                if self.size * len(pipeline) > 4 * HUGE or len(pipeline) == 1000:
                    pipeline.execute()
        else:
            pipeline.delete(name)
            for start in range(0, self.count, 1000):
                pipeline.rpush(name, *(f"{n:010}" for n in range(start, min(start + 1000, self.count))))
        pipeline.execute()


def values_of(size):
    return Data(str(size), keys_of(size), size)


def list_of(elements):
    return Data(f"list:{elements}", elements)


VALUES = values_of(SMALL)


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    load: Load
    data: tuple = (VALUES,)
    # How long a run is to take, in the full form.
    seconds: float = 1.0
    # Milliseconds of round trip added between proxy and database.
    round_trip: int = 0
    # What runs meanwhile.
    beside: tuple = ()
    # Idle connections to the proxy meanwhile.
    idle: int = 0
    # The only ways to measure, where it is not about all.
    ways: tuple = ()
    rounds: int = ALL_ROUNDS
    group: str = ""


def get(size, **how):
    return Load(("GET", f"{PREFIX}:{size}:{RANDOM}"), keys=keys_of(size), **how)


def set_(size, **how):
    # Through standard input, because an argument holds 128 KiB at most.
    return Load(("SET", f"{PREFIX}:{size}:{RANDOM}"), keys=keys_of(size), stdin=value(size), **how)


def lrange(elements, clients):
    return Load(("LRANGE", f"{PREFIX}:list:{elements}", "0", "-1"), clients=clients)

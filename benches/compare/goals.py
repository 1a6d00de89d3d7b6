"""What is to hold, and whether it does."""

from dataclasses import dataclass

from footprint import NAME as FOOTPRINT
from results import middle, ratio, spread, values

OURS = "waxseal-all"
ENVOYS = ("envoy", "envoy-3ms")
AT_MOST, AT_LEAST = "at most", "at least"
WORDS = {"cpu": "CPU per request", "rps": "requests per second", "p50": "p50", "p99": "p99"}
NAMES = {("tls",): "direct TLS", ("envoy",): "Envoy without delay", ENVOYS: "Envoy"}


@dataclass(frozen=True)
class Goal:
    """Of Waxseal with everything encrypted: a metric in a scenario, in times that of the best of `against`."""

    scenario: str
    metric: str
    word: str
    bound: float
    against: tuple

    def text(self):
        return f"{WORDS[self.metric]} {self.word} {self.bound} x {NAMES[self.against]}"

    def measured(self, results):
        best = min if self.word == AT_MOST else max
        medians = {way: middle(results, self.scenario, way, self.metric) for way in self.against}
        rivals = [way for way in self.against if medians[way] is not None]
        if rivals:
            rival = best(rivals, key=medians.get)
            return ratio(results, (self.scenario, OURS, self.metric), (self.scenario, rival, self.metric))


@dataclass(frozen=True)
class Beside:
    """p99 of a scenario in times that of the same without anything beside."""

    scenario: str
    alone: str
    word: str
    bound: float

    def text(self):
        return f"p99 {self.word} {self.bound} x that alone"

    def measured(self, results):
        return ratio(results, (self.scenario, OURS, "p99"), (self.alone, OURS, "p99"))


@dataclass(frozen=True)
class Absolute:
    metric: str
    title: str
    unit: str
    bound: float
    scenario: str = FOOTPRINT
    word: str = AT_MOST

    def text(self):
        return f"{self.word} {self.bound} {self.unit}"

    def measured(self, results):
        return spread(values(results, FOOTPRINT, OURS, self.metric))


GOALS = [
    *(Goal(f"{verb}-50", "cpu", AT_MOST, 0.7, ("envoy",)) for verb in ("get", "set")),
    *(Goal(f"{verb}-50-p16", "cpu", AT_MOST, 0.6, ENVOYS) for verb in ("get", "set")),
    *(Goal(f"{verb}-50", "rps", AT_LEAST, 1.2, ("tls",)) for verb in ("get", "set")),
    *(Goal(f"{verb}-50-p16", "rps", AT_LEAST, bound, against)
      for verb in ("get", "set") for bound, against in ((1.0, ("tls",)), (1.5, ENVOYS))),
    *(Goal(f"{verb}-{size}", metric, word, bound, ENVOYS)
      for verb in ("get", "set") for size in ("64k", "1m") for metric, word, bound in (("cpu", AT_MOST, 1.0), ("rps", AT_LEAST, 1.2))),
    *(Goal(f"{verb}-1", "p50", AT_MOST, 1.0, ("envoy",)) for verb in ("get", "set")),
    Absolute("idle_kb", "an idle connection", "KB", 4),
    Absolute("rest_mb", "memory at rest", "MB", 10),
    Absolute("ping_ms", "start to first answer, PING", "ms", 30),
    Absolute("get_ms", "start to first answer, GET", "ms", 30),
    Beside("mix-20ms-large", "mix-20ms-alone", AT_MOST, 1.5),
]


def verdict(goal, found):
    """By the median; where the rounds' own spread has the bound within, it says so."""
    holds = found.middle <= goal.bound if goal.word == AT_MOST else found.middle >= goal.bound
    close = found.low < goal.bound < found.high
    return ("holds" if holds else "**missed**") + (", within the spread" if close else "")

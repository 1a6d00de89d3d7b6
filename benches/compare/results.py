"""What was measured: results["samples"][scenario][way] is a list of one dictionary of figures, or the reason why there is
none, for each round."""

from dataclasses import dataclass
from statistics import median


def samples(results, scenario, way):
    return results["samples"].get(scenario, {}).get(way, [])


def values(results, scenario, way, metric):
    return [sample[metric] for sample in samples(results, scenario, way) if metric in sample]


def middle(results, scenario, way, metric):
    found = values(results, scenario, way, metric)
    return median(found) if found else None


@dataclass(frozen=True)
class Spread:
    middle: float
    low: float
    high: float


def spread(found):
    return Spread(median(found), min(found), max(found)) if found else None


def ratio(results, one, other):
    """How many times `other` is `one`, both (scenario, way, metric): round by round, because the machine's own mood
    changes from round to round."""
    pairs = zip(samples(results, *one[:2]), samples(results, *other[:2]), strict=False)
    return spread([a[one[2]] / b[other[2]] for a, b in pairs if a.get(one[2]) and b.get(other[2])])

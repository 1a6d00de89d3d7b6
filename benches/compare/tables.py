"""Tables, in Markdown, from what was measured."""

from statistics import median

from peers import WAYS
from scenarios import GROUPS, scenarios

METRICS = {"rps": "requests per second", "cpu": "CPU of the proxy, us per request", "p50": "p50, ms", "p99": "p99, ms", "p999": "p99.9, ms"}


def values(results, scenario, way, metric):
    samples = results["samples"].get(scenario, {}).get(way, [])
    return [sample[metric] for sample in samples if metric in sample]


def middle(results, scenario, way, metric):
    found = values(results, scenario, way, metric)
    return median(found) if found else None


def figure(number):
    """Three digits are what a measurement has."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}" if number >= 1 else f"{number:.2g}"


def cell(results, scenario, way, metric):
    samples = results["samples"].get(scenario, {}).get(way, [])
    found = values(results, scenario, way, metric)
    if not found:
        return "failed" if any("failed" in sample for sample in samples) else "-"
    text = figure(median(found))
    return text if len(found) < 2 else f"{text} ({figure(min(found))}-{figure(max(found))})"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def of_metric(results, chosen, metric):
    present = {way for scenario in chosen for way in results["samples"][scenario.name]}
    ways = [way for way in WAYS if way.name in present]
    rows = [[scenario.title, *(cell(results, scenario.name, way.name, metric) for way in ways)] for scenario in chosen]
    return table([METRICS[metric], *(way.label for way in ways)], rows)


def failures(results):
    said = {}
    for scenario, ways in results["samples"].items():
        for way, samples in ways.items():
            for sample in samples:
                if "failed" in sample:
                    said.setdefault((way, sample["failed"]), []).append(scenario)
    return "".join(f"- {way} failed in {', '.join(sorted(set(where)))}: {why}\n" for (way, why), where in said.items())


def all_of(results):
    parts = []
    for group, (title, _) in GROUPS.items():
        chosen = [s for s in scenarios() if s.group == group and s.name in results["samples"]]
        if chosen:
            parts.append(f"### {title}\n")
            parts += [of_metric(results, chosen, metric) for metric in METRICS]
    return "\n".join([*parts, failures(results)])

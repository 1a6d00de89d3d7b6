"""Tables, in Markdown, from what was measured."""

from footprint import CONNECTIONS
from footprint import NAME as FOOTPRINT
from goals import GOALS, OURS, verdict
from growth import CURVES
from peers import WAY, WAYS
from results import middle, ratio, samples, spread, values
from scenarios import GROUPS, scenarios
from workload import FEWER_ROUNDS

TITLES = {scenario.name: scenario.title for scenario in scenarios()}
FOOTPRINTS = {"ping_ms": "start to the first PONG, ms", "get_ms": "start to the first GET, ms", "rest_mb": "resident at rest, MB",
              "idle_kb": f"for each of {CONNECTIONS:,} idle connections, KB", "binary_mb": "size of the program, MB"}


def figure(number):
    """Three digits are more than a measurement has."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}" if number >= 1 else f"{number:.2g}"


def range_of(found):
    around = f" ({figure(found.low)} to {figure(found.high)})" if found.low < found.high else ""
    return figure(found.middle) + around


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def missing(results, scenario, way):
    return "failed" if any("failed" in sample for sample in samples(results, scenario, way)) else "-"


def single(results, scenario, way, metric):
    """The median, and how far the rounds are apart: half of that, in percent of the median."""
    found = spread(values(results, scenario, way, metric))
    if not found:
        return missing(results, scenario, way)
    off = 50 * (found.high - found.low) / found.middle if found.middle else 0
    return figure(found.middle) + (f" ±{off:.0f}%" if found.low < found.high else "")


def cpu(results, scenario, way):
    kernel = middle(results, scenario, way, "kernel")
    return single(results, scenario, way, "cpu") + (f" ({figure(kernel)})" if kernel else "")


def latencies(results, scenario, way):
    found = [middle(results, scenario, way, metric) for metric in ("p50", "p99", "p999")]
    return missing(results, scenario, way) if found[0] is None else " / ".join(map(figure, found))


def ratios(results, scenario, way):
    found = [ratio(results, (scenario, OURS, metric), (scenario, way, metric)) for metric in ("rps", "cpu")]
    return " / ".join(figure(one.middle) if one else "-" for one in found)


def by_way(results, title, chosen, cell, leave_out=()):
    ways = [way for way in WAYS if way.name not in leave_out and any(way.name in results["samples"][name] for name in chosen)]
    rows = [[TITLES[name], *(cell(results, name, way.name) for way in ways)] for name in chosen]
    return table([title, *(way.label for way in ways)], rows)


def of_group(results, group):
    chosen = [scenario.name for scenario in scenarios() if scenario.group == group and scenario.name in results["samples"]]
    if not chosen:
        return []

    def of(metric):
        return lambda *place: single(*place, metric)

    parts = [f"### {GROUPS[group][0]}\n", by_way(results, "requests per second", chosen, of("rps"))]
    # Beside other loads CPU time has no request to be divided by.
    if group != "mix":
        parts.append(by_way(results, "CPU of the proxy, us per request (in the kernel)", chosen, cpu, ("plain", "tls")))
        parts.append(by_way(results, "CPU of the database, us per request", chosen, of("database")))
    parts.append(by_way(results, "p50 / p99 / p99.9, ms", chosen, latencies))
    parts.append(by_way(results, "all encrypted, in times the column: requests per second / CPU", chosen, ratios, (OURS,)))
    return parts


def of_goals(results):
    rows = []
    for goal in GOALS:
        found = goal.measured(results)
        title = getattr(goal, "title", None) or TITLES[goal.scenario]
        if found:
            rows.append([title, goal.text(), range_of(found), verdict(goal, found)])
        elif goal.scenario in results["samples"]:
            rows.append([title, goal.text(), "-", "not measured: something failed"])
    return [table(["Waxseal, all encrypted", "goal", "measured: median (rounds)", "verdict"], rows)] if rows else []


def of_footprint(results):
    if FOOTPRINT not in results["samples"]:
        return []
    ways = [way for way in WAYS if way.command and way.name in results["samples"][FOOTPRINT]]
    rows = [[title, *(single(results, FOOTPRINT, way.name, metric) for way in ways)] for metric, title in FOOTPRINTS.items()]
    return ["### Unused\n", table(["", *(way.label for way in ways)], rows)]


def of_growth(results):
    rows = []
    for curve, (what, _) in CURVES.items():
        for name, at in sorted(growth_of(results, curve), key=lambda place: place[1]):
            cells = [single(results, name, way, "cpu") for way in results["samples"][name]]
            # Curves that are about encryption alone have one way, whatever it is called.
            rows.append([what, f"{at:,}", *(cells if len(cells) == 2 else ["-", *cells])])
    head = ["CPU, us per request, by", "", WAY["waxseal"].label, WAY[OURS].label]
    return ["### As work grows\n", table(head, rows)] if rows else []


def growth_of(results, curve):
    """The scenarios of a curve, and where on it they are."""
    return [(name, int(name.rpartition("-")[2])) for name in results["samples"] if name.startswith(f"growth-{curve}-")]


def failures(results):
    said = {}
    for scenario, ways in results["samples"].items():
        for way, of_way in ways.items():
            for sample in of_way:
                if "failed" in sample:
                    said.setdefault((way, sample["failed"]), []).append(scenario)
    lines = [f"- {way}: {why} ({', '.join(dict.fromkeys(where))})" for (way, why), where in said.items()]
    return "\n".join(["Failed:\n", *lines, ""]) if lines else ""


def of_machine(results):
    versions = "; ".join(f"{name} {version}" for name, version in results["versions"].items())
    rounds = results["rounds"]
    fewer = f", {FEWER_ROUNDS} where it is said below" if rounds > FEWER_ROUNDS else ""
    return f"Measured on {results['machine']}; rounds: {rounds}{fewer}. {versions}.\n"

"""The plot of docs/performance.md: bars of each way, and Waxseal's cost as work grows."""

import io
import re
from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot  # noqa: E402

from goals import OURS  # noqa: E402
from growth import CURVES  # noqa: E402
from peers import WAY, WAYS  # noqa: E402
from results import middle, spread, values  # noqa: E402
from tables import growth_of  # noqa: E402

# What follows the verb in the name of a scenario: GET and SET are in one panel.
BARS = {"50": "100 B, 50 clients", "50-p16": "100 B, 50 clients, pipeline 16", "1k": "1 KiB, 50 clients", "64k": "64 KiB, 16 clients", "1m": "1 MiB, 16 clients"}
METRICS = {"rps": "requests per second: GET (dark) and SET", "cpu": "CPU of the proxy, us per request: GET (dark) and SET"}
HEIGHT = 0.38
# Of a way: GET, SET.
OTHERS = ("#7d8894", "#b9c1c9")
COLORS = {"waxseal": ("#3a87ad", "#8fc1da"), OURS: ("#c2571a", "#eba677")}
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "waxseal", "font.size": 8, "font.sans-serif": ["DejaVu Sans"],
         "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 8, "axes.titlelocation": "left"}


def draw(results, path):
    with pyplot.rc_context(STYLE):
        figure = pyplot.figure(figsize=(13, 8), layout="constrained")
        rows = figure.subfigures(len(METRICS) + 1)
        for row, (metric, title) in zip(rows, METRICS.items(), strict=False):
            row.suptitle(title, x=0.01, ha="left")
            ways = [way for way in reversed(WAYS) if metric != "cpu" or way.command]
            for place, name in zip(row.subplots(1, len(BARS), sharey=True), BARS, strict=True):
                bars(place, results, ways, name, metric)
        rows[-1].suptitle("CPU of Waxseal, us per request, as work grows", x=0.01, ha="left")
        for place, name in zip(rows[-1].subplots(1, len(CURVES)), CURVES, strict=True):
            curve(place, results, name)
        # Without a date the same figures are the same file.
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
        pyplot.close(figure)
    Path(path).write_text(smaller(text.getvalue()))


def smaller(svg):
    """A tenth of a pixel is fine enough, and nobody reads the indentation."""
    svg = re.sub(r"-?\d+\.\d{2,}", lambda number: f"{float(number[0]):.1f}", svg)
    return re.sub(r"\n\s+", "\n", svg)


def bars(place, results, ways, name, metric):
    for at, way in enumerate(ways):
        for side, verb in enumerate(("get", "set")):
            found = spread(values(results, f"{verb}-{name}", way.name, metric))
            if found:
                color = COLORS.get(way.name, OTHERS)[side]
                y = at + HEIGHT * (0.5 - side)
                place.barh(y, found.middle, HEIGHT, color=color)
                if found.low < found.high:
                    place.plot((found.low, found.high), (y, y), color="black", linewidth=0.6)
    place.set_yticks(range(len(ways)), [way.label for way in ways])
    place.tick_params(axis="y", left=False)
    place.set_title(BARS[name])
    place.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(3))
    place.xaxis.set_major_formatter("{x:,.0f}")


def curve(place, results, name):
    points = sorted(growth_of(results, name), key=lambda point: point[1])
    ways = list(dict.fromkeys(way for scenario, _ in points for way in results["samples"][scenario]))
    # Where each point is a way of its own, they are one line.
    lines = [[way] for way in ways] if all(way in COLORS for way in ways) else [ways]
    top = 0
    for line in lines:
        found = [(at, y) for scenario, at in points for way in line if (y := middle(results, scenario, way, "cpu")) is not None]
        if not found:
            continue
        way = line[0] if line[0] in COLORS else OURS
        place.plot(*zip(*found, strict=True), "o-", color=COLORS[way][0], label=WAY[way].label, markersize=3, linewidth=1)
        top = max([top, *(y for _, y in found)])
    place.set_title(f"by {CURVES[name][0]}")
    if not top:
        return
    if name in ("get", "set", "lrange"):
        ends = (points[0][1], points[-1][1])
        place.plot(ends, (top * ends[0] / ends[1], top), ":", color="#555555", linewidth=1, label="in proportion")
        place.set_yscale("log")
        place.set_ylim(bottom=1)
        place.legend(frameon=False, fontsize=7)
    else:
        place.set_ylim(0, top * 1.4)
    if points[0][1] > 0:
        place.set_xscale("log")
    place.minorticks_off()

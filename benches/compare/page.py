"""docs/performance.md, .svg and .json: the text of the page is written by hand, what is between its markers here."""

import json
from pathlib import Path

import plot
import tables
from scenarios import GROUPS
from servers import ROOT

NAME = "performance"
PLOT = f"![Requests per second and CPU time of each way, and Waxseal's cost as work grows]({NAME}.svg)\n"
# In the page, around what is generated.
BEGIN, END = "<!-- begin {} -->", "<!-- end {} -->"


def sections(results):
    groups = [part for group in GROUPS for part in tables.of_group(results, group)]
    return {
        "goals": "\n".join([tables.of_machine(results), *tables.of_goals(results), tables.failures(results), PLOT]),
        "tables": "\n".join([*groups, *tables.of_footprint(results), *tables.of_growth(results)]),
    }


def tables_of(results):
    return "\n".join(sections(results).values())


def failures(results):
    return tables.failures(results)


def load(folder):
    return json.loads(Path(folder, f"{NAME}.json").read_text())


def write(results, folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = (ROOT / f"docs/{NAME}.md").read_text()
    for name, content in sections(results).items():
        before, begin, rest = text.partition(BEGIN.format(name))
        _, end, after = rest.partition(END.format(name))
        text = f"{before}{begin}\n{content.strip()}\n{end}{after}"
    Path(folder, f"{NAME}.md").write_text(text)
    plot.draw(results, folder / f"{NAME}.svg")
    Path(folder, f"{NAME}.json").write_text(as_json(results))


def as_json(results):
    """A line for each scenario, and no more digits than mean something."""
    def brief(value):
        return float(f"{value:.5g}") if isinstance(value, float) else value

    head = {name: value for name, value in results.items() if name != "samples"}
    lines = []
    for scenario, ways in results["samples"].items():
        short = {way: [{name: brief(value) for name, value in sample.items()} for sample in of_way] for way, of_way in ways.items()}
        lines.append(f"{json.dumps(scenario)}: {json.dumps(short)}")
    return json.dumps(head, indent=1)[:-2] + ',\n "samples": {\n' + ",\n".join(lines) + "\n}}\n"

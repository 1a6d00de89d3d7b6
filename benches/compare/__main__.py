"""Waxseal beside what a user would run instead: `make compare`, which sets up what this needs. See docs/performance.md."""

import argparse
import os
import signal
import sys
import tempfile
import time

import footprint
import growth
import page
from peers import WAY, WAYS, versions
from readings import processor
from scenarios import scenarios
from servers import ROOT, Failed, allow_many_connections
from stage import Stage
from workload import FEWER_ROUNDS, Scenario

# The short form: of each kind one, and fewer idle connections.
SHORT = "get-1,get-50,set-50-p16,get-64k,set-1m,mget-100,lrange,get-50-5ms,mix-5ms-*,footprint,growth-set-1*,growth-lrange-10*,growth-rules-*,growth-idle-*"
FEW = 100
# In seconds, for the time that is left.
FOOTPRINT_SECONDS = 4


def main():
    options = parse()
    if options.write:
        return page.write(page.load(ROOT / "docs"), ROOT / "docs")
    allow_many_connections()
    # So that `finally` runs: what was started ends with us.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    results = {"machine": f"{os.cpu_count()} cores, {processor()}", "versions": versions(), "rounds": options.rounds, "samples": {}}
    with tempfile.TemporaryDirectory() as work:
        stage = Stage(work, options.short)
        try:
            run(stage, options, results)
        finally:
            stage.end()
    here = ROOT / ".work/compare"
    page.write(results, here)
    if options.only:
        print(page.tables_of(results))
        print(f"Also in {here.relative_to(ROOT)}; docs/performance.md is written by a run of everything.")
    else:
        page.write(results, ROOT / "docs")
    if options.short and page.failures(results):
        sys.exit("compare: something failed, see above")


def parse():
    parser = argparse.ArgumentParser(prog="compare", description=__doc__,
                                     epilog=f"scenarios: {', '.join(s.name for s in scenarios())}, {footprint.NAME}, growth-*")
    parser.add_argument("--only", default="", help="scenarios, separated by commas, or beginnings of their names with a *")
    parser.add_argument("--ways", default="", help=f"of {', '.join(WAY)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short", action="store_true", help="a few requests of everything, to see that it runs")
    parser.add_argument("--write", action="store_true", help="measure nothing, but write docs/performance.md and .svg anew from docs/performance.json")
    options = parser.parse_args()
    try:
        options.ways = [WAY[name] for name in options.ways.split(",")] if options.ways else WAYS
    except KeyError as unknown:
        parser.error(f"no such way: {unknown}; there are {', '.join(WAY)}")
    if options.short:
        options.rounds = 1
        options.only = options.only or SHORT
    whole = [*scenarios(), Scenario(footprint.NAME, "", None, seconds=FOOTPRINT_SECONDS, rounds=FEWER_ROUNDS), *growth.points()]
    options.scenarios = [scenario for scenario in whole if chosen(scenario.name, options.only)]
    if not options.scenarios:
        parser.error(f"no such scenario; there are {', '.join(scenario.name for scenario in whole)}")
    return options


def chosen(name, only):
    wanted = [part for part in only.split(",") if part]
    return not wanted or any(name == part or (part.endswith("*") and name.startswith(part[:-1])) for part in wanted)


def run(stage, options, results):
    """Every round has every scenario, and every scenario every way in turn, each time beginning with another one."""
    broken = {way: why for way in options.ways if (why := fault(stage, way))}
    progress = Progress(options)
    for turn in range(options.rounds):
        for scenario in options.scenarios:
            if turn >= scenario.rounds:
                continue
            ways = list(scenario.ways) or options.ways
            first = turn % len(ways)
            samples = results["samples"].setdefault(scenario.name, {way.name: [] for way in ways})
            for way in ways[first:] + ways[:first]:
                samples[way.name].append({"failed": broken[way]} if way in broken else measure(stage, way, scenario))
            progress.tell(turn, scenario, samples)


def fault(stage, way):
    """Why a way cannot be measured at all, or nothing."""
    try:
        stage.check(way)
    except Exception as error:  # whatever a client library says of it
        why = str(error) or type(error).__name__
        print(f"{way.label} is left out: {why}", flush=True)
        return why


def measure(stage, way, scenario):
    try:
        if scenario.name == footprint.NAME:
            return footprint.measure(stage, way, FEW if stage.short else footprint.CONNECTIONS)
        return stage.measure(way, scenario)
    except (Failed, OSError) as error:
        return {"failed": str(error)}


class Progress:
    def __init__(self, options):
        self.rounds, self.began, self.done = options.rounds, time.monotonic(), 0
        self.all = sum(self.weight(s, options.ways) * min(s.rounds, self.rounds) for s in options.scenarios)
        self.ways = options.ways

    @staticmethod
    def weight(scenario, ways):
        return scenario.seconds * len(scenario.ways or ways)

    def tell(self, turn, scenario, samples):
        self.done += self.weight(scenario, self.ways)
        left = (time.monotonic() - self.began) * (self.all / self.done - 1)
        figures = "  ".join(f"{name} {brief(of_way[-1])}" for name, of_way in samples.items())
        print(f"round {turn + 1}/{self.rounds}, {left / 60:.0f} min left  {scenario.name}: {figures}", flush=True)


def brief(sample):
    return "FAILED" if "failed" in sample else f"{sample['rps']:,.0f}/s" if "rps" in sample else "ok" if sample else "-"


main()

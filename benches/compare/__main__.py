"""Waxseal beside what a user would run instead: `make compare`, which sets up what this needs. See docs/performance.md."""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import tables
from peers import WAY, WAYS, versions
from readings import processor
from scenarios import scenarios
from servers import ROOT, Failed, allow_many_connections
from stage import Stage

SHORT_SECONDS = 0.05


def main():
    options = parse()
    allow_many_connections()
    # So that `finally` runs: what was started ends with us.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    results = {"machine": {"cores": os.cpu_count(), "processor": processor()}, "versions": versions(),
               "rounds": options.rounds, "samples": {}}
    with tempfile.TemporaryDirectory() as work:
        stage = Stage(work)
        try:
            run(stage, options, results)
        finally:
            stage.end()
            save(results)
    print(tables.all_of(results))


def parse():
    parser = argparse.ArgumentParser(prog="compare", description=__doc__)
    parser.add_argument("--only", default="", help="scenarios, separated by commas, or beginnings of their names with a *")
    parser.add_argument("--ways", default="", help=f"of {', '.join(WAY)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short", action="store_true", help="a few requests of everything, to see that it runs")
    options = parser.parse_args()
    options.ways = [WAY[name] for name in options.ways.split(",")] if options.ways else WAYS
    options.scenarios = [s for s in scenarios() if chosen(s.name, options.only)]
    if not options.scenarios:
        parser.error(f"no such scenario; there are {', '.join(s.name for s in scenarios())}")
    if options.short:
        options.rounds = 1
    return options


def chosen(name, only):
    wanted = [part for part in only.split(",") if part]
    return not wanted or any(name == part or (part.endswith("*") and name.startswith(part[:-1])) for part in wanted)


def run(stage, options, results):
    """Every round has every scenario, and every scenario every way in turn, each time beginning with another one."""
    failed = {}
    for way in options.ways:
        try:
            stage.check(way)
        except Exception as error:
            failed[way] = str(error) or type(error).__name__
            print(f"{way.label}: {failed[way]}", flush=True)
    progress = Progress(options)
    for turn in range(options.rounds):
        for scenario in options.scenarios:
            if turn >= scenario.rounds:
                continue
            at = turn % len(options.ways)
            for way in options.ways[at:] + options.ways[:at]:
                try:
                    if way in failed:
                        raise Failed(failed[way])
                    sample = stage.measure(way, scenario, SHORT_SECONDS if options.short else scenario.seconds)
                except (Failed, OSError) as error:
                    sample = {"failed": str(error)}
                of_way = results["samples"].setdefault(scenario.name, {}).setdefault(way.name, [])
                of_way.append(sample)
            progress.tell(turn, scenario, results["samples"][scenario.name])


class Progress:
    def __init__(self, options):
        self.rounds, self.began = options.rounds, time.monotonic()
        self.all = sum(s.seconds * min(s.rounds, self.rounds) for s in options.scenarios)
        self.done = 0

    def tell(self, turn, scenario, samples):
        self.done += scenario.seconds
        left = (time.monotonic() - self.began) * (self.all / self.done - 1)
        rates = "  ".join(f"{name} {of_way[-1]['rps']:,.0f}" if "rps" in of_way[-1] else f"{name} FAILED"
                          for name, of_way in samples.items())
        print(f"round {turn + 1}/{self.rounds}, {left / 60:.0f} min left  {scenario.name}: {rates}", flush=True)


def save(results):
    path = Path(ROOT, ".work/compare/results.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1))


main()

"""`make bench`: runs the benchmarks, prints their tables, keeps them in bench/results/.  Exit 1: an answer was wrong.

usage: python -m bench [NAME …]      QUICK=1 for short rounds, AGAINST=COMMIT to compare with another commit
       python -m bench guard         whether the tree lost against AGAINST (HEAD) by more than 5%, in under two minutes
"""

import contextlib
import importlib
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from bench import against, h2load, machine
from bench.figures import Report
from bench.rounds import Plan

NAMES = (
    "check",
    "ratelimit",
    "ledger",
    "chain",
    "open_loop",
    "workers",
    "scale",
    "envoy_reader",
    "fairness",
    "cache",
    "profile",
)
GUARD, PEERS = "guard", "peers"  # only if they are asked for: one compares by itself, the other installs much
RESULTS = Path(__file__).parent / "results"
FULL, QUICK = Plan(rounds=5, seconds=3.0), Plan(rounds=2, seconds=0.5)


def main(names: list[str]) -> int:
    if unknown := set(names) - {*NAMES, GUARD, PEERS}:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join((*NAMES, GUARD, PEERS))}")
    h2load.require()
    plan = QUICK if os.environ.get("QUICK") else FULL
    facts = machine.facts()
    print(facts_text(facts), flush=True)
    reports: dict[str, Report] = {}
    commit = os.environ.get("AGAINST")
    with against.checked_out(commit) if commit and set(names) != {GUARD} else contextlib.nullcontext() as theirs:
        for name in names or NAMES:
            began = time.monotonic()
            reports[name] = against.compare(theirs, name, plan) if theirs and name != GUARD else run(name, plan)
            print(f"\n{reports[name].text()}\n\n({time.monotonic() - began:.0f} s)", flush=True)
    keep(facts, reports)
    wrong = [f"{name}: {line}" for name, report in reports.items() for line in report.wrong]
    for line in wrong:
        print(f"WRONG {line}", file=sys.stderr)
    return 1 if wrong else 0


def run(name: str, plan: Plan) -> Report:
    report: Report = importlib.import_module(f"bench.parts.{name}").run(plan)
    return report


def facts_text(facts: dict[str, str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in facts.items())


def keep(facts: dict[str, str], reports: dict[str, Report]) -> None:
    RESULTS.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    text = "\n\n".join([facts_text(facts), *(report.text() for report in reports.values())])
    (RESULTS / f"{stamp}.md").write_text(text + "\n")
    content = {"machine": facts, "reports": {name: asdict(report) for name, report in reports.items()}}
    (RESULTS / f"{stamp}.json").write_text(json.dumps(content, indent=1, default=str))
    print(f"\nkept as {RESULTS / stamp}.md and .json")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

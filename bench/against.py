"""The same benchmark on this tree and on another commit, in turn, and the ratio of every figure.

Each tree runs its own benchmark code in an environment of its own; of the other's, only the report is read.
"""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from bench.figures import Figure, Report, Table, short
from bench.rounds import Plan
from tollkeeper.up.process import Process

ROOT = Path(__file__).parent.parent
MIN_ROUNDS = 5
RUN_SECONDS = 1800
END_SECONDS = 30
# Runs in the tree that is measured.  Arguments: benchmark, seconds, file for the report.
RUN = """
import dataclasses, importlib, importlib.util, json, sys
from bench.rounds import Plan
room = "bench.parts" if importlib.util.find_spec("bench.parts") else "bench"  # where older trees have them
report = importlib.import_module(f"{room}.{sys.argv[1]}").run(Plan(rounds=1, seconds=float(sys.argv[2])))
with open(sys.argv[3], "w") as file:
    json.dump(dataclasses.asdict(report), file, default=str)
"""
NUMBER = re.compile(r"-?[\d,]+(\.\d+)?")

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Tree:
    """A source tree and the interpreter of its environment."""

    name: str
    directory: Path
    python: Path


@contextlib.contextmanager
def checked_out(commit: str) -> Iterator[Tree]:
    """The tree of a commit with an environment beside it, in a temporary directory."""
    signal.signal(signal.SIGTERM, _exit)  # as Ctrl-C does, so that everything that was started is ended
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        sys.exit(archive.stderr.decode().strip())
    with tempfile.TemporaryDirectory(prefix="tollkeeper-against-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # Postgres, which runs as nobody if we are root, is in there
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(directory, filter="data")
        tree = Tree(commit, directory, directory / ".venv/bin/python")
        print(f"installing {commit} …", flush=True)
        subprocess.run(["make", "--silent", ".venv/.installed-test", f"PYTHON={sys.executable}"], cwd=name, check=True)
        pip = ["-m", "pip", "install", "--quiet", "--constraint", "constraints.txt", "--group", "bench"]
        subprocess.run([tree.python, *pip], cwd=name, check=True)
        yield tree


def compare(theirs: Tree, benchmark: str, plan: Plan) -> Report:
    """Round by round: one of this tree, one of the other."""
    ours = Tree("this tree", ROOT, Path(sys.executable))
    rounds: dict[str, list[Figures]] = {ours.name: [], theirs.name: []}
    how = f"{max(MIN_ROUNDS, plan.rounds)} rounds of {plan.seconds} s on each, in turn."
    report = Report(f"{benchmark}: this tree ÷ {theirs.name}", how)
    for number in range(max(MIN_ROUNDS, plan.rounds)):
        for tree in (ours, theirs):
            print(f"{benchmark}, round {number + 1}: {tree.name}", flush=True)
            found = _run(tree, benchmark, plan.seconds)
            rounds[tree.name].append(figures_of(found))
            report.wrong += [f"{tree.name}: {line}" for line in found["wrong"]]
    report.tables.append(table(rounds))
    report.raw["rounds"] = rounds
    return report


def figures_of(report: Mapping[str, Any]) -> Figures:
    """Every figure of a report by its name: medians of the measures, numbers of the tables by row and column."""
    found = {each["name"]: float(each["figure"]["median"]) for each in report["measures"]}
    for each in report["tables"]:
        subject, *columns = each["header"]
        for row, *cells in each["rows"]:
            for column, cell in zip(columns, cells, strict=True):
                for place, part in enumerate(cell.split(" / ")):  # as `p50 / p99` in one cell
                    if number := NUMBER.match(part):
                        name = f"{subject} {row}, {column}" + (f" [{place + 1}]" if " / " in cell else "")
                        found[name] = float(number[0].replace(",", ""))
    return found


def table(rounds: Mapping[str, list[Figures]]) -> Table:
    """The figures that every round of both trees has; a ratio to nothing is left out."""
    ours, theirs = rounds.values()
    rows = []
    for name in ours[0]:
        if all(name in each for each in ours + theirs):
            a, b = [each[name] for each in ours], [each[name] for each in theirs]
            ratio = str(Figure.ratio(a, b)) if all(b) else "–"
            rows.append([name, short(Figure.of(a).median), short(Figure.of(b).median), ratio])
    return Table(["figure", *rounds, "ratio (min – max)"], rows)


def _run(tree: Tree, benchmark: str, seconds: float) -> dict[str, Any]:
    """One round.  When this returns, all that it started has ended: servers end with it, the rest is in its group."""
    with tempfile.TemporaryDirectory(prefix="tollkeeper-report-") as name:
        file, log = Path(name) / "report.json", Path(name) / "log"
        command: list[str | Path] = [tree.python, "-c", RUN, benchmark, str(seconds), file]
        process = Process(
            f"{benchmark} of {tree.name}", command, log, stop_signal=signal.SIGINT, directory=tree.directory
        )
        try:
            if process.wait(RUN_SECONDS):
                raise RuntimeError(f"{process.name} failed: {log.read_text(errors='replace')[-2000:]}")
        finally:
            process.stop(END_SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        report: dict[str, Any] = json.loads(file.read_text())
        return report


def _exit(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)

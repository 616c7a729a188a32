"""Where the time goes: the sidecar's processes sampled by py-spy while the chain is loaded with 32 connections.

Only the thread that holds the interpreter is sampled, so shares are of the time in Python and in the libraries that it
calls, without gRPC core and the kernel.  A sample counts for the innermost frame of ours: libraries count for their
callers.
"""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from bench import h2load, rounds
from bench.cpu import CpuMeter
from bench.figures import Report, Table, short
from bench.parts.chain import PATH
from bench.stage import Stage
from bench.variants import HEADERS, OURS, Chain

TITLE = "Where the time goes"
CONNECTIONS = 32
SAMPLES_PER_SECOND = 500
LINES = 24
OURS_PREFIXES = ("authz/", "ratelimit/", "accesslog/", "serving/", "tenancy/", "store/")


def run(plan: rounds.Plan) -> Report:
    report = Report(TITLE, f"{CONNECTIONS} connections, closed loop; py-spy at {SAMPLES_PER_SECOND} samples a second.")
    with Stage() as stage:
        chain = Chain(stage, report)
        chain.start()
        ours = next(variant for variant in chain.variants if variant.name == OURS)

        def load(requests: int) -> float:
            chain.before(ours)
            done = h2load.http(ours.url + PATH, chain.body(), HEADERS, requests, CONNECTIONS)
            chain.after(ours, requests)
            return done.rate

        requests = int(load(1_000) * 2 * plan.seconds)
        meter = CpuMeter(stage.processes)
        load(requests)
        spent = meter.spent()
        watchers = {name: _watch(stage, name) for name in ours.python}
        load(requests)
        for name, watcher in watchers.items():
            watcher.send_signal(signal.SIGINT)
            watcher.wait(60)
            counts = by_own_frame((stage.directory / f"{name}.samples").read_text().splitlines())
            report.tables.append(_table(name, counts, spent[name] / requests * 1e6))
    return report


def _watch(stage: Stage, name: str) -> "subprocess.Popen[bytes]":
    """Until interrupted; leaves `<name>.samples`: a line a stack, its frames and how often it was seen."""
    command = [str(Path(sys.executable).with_name("py-spy")), "record", "--nonblocking", "--gil", "--format", "raw"]
    command += ["--rate", str(SAMPLES_PER_SECOND), "--duration", "unlimited"]
    command += ["--pid", str(stage.processes[name]), "--output", str(stage.directory / f"{name}.samples")]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def by_own_frame(samples: Iterable[str]) -> Counter[str]:
    """Counts samples by their innermost frame of ours, `file function`, or "others" if they have none."""
    counts: Counter[str] = Counter()
    for sample in samples:
        stack, _, count = sample.rpartition(" ")
        counts[next(filter(None, map(_own, reversed(stack.split(";")))), "others")] += int(count)
    return counts


def _own(frame: str) -> str:
    """`file function` of a frame like `function (ratelimit/service.py:81)`; "" if it is not ours."""
    function, _, place = frame.strip().rpartition(" (")
    return f"{place.rpartition(':')[0]} {function}" if place.startswith(OURS_PREFIXES) else ""


def _table(process: str, counts: Counter[str], cpu_us: float) -> Table:
    """First by package, then by function."""
    packages = Counter[str]()
    for frame, count in counts.items():
        packages[f"**{frame.partition('/')[0]}**"] += count
    shown = [*packages.most_common(), *counts.most_common(LINES)]
    rows = [[name, f"{100 * count / max(1, counts.total()):.1f} %"] for name, count in shown]
    return Table([f"{process}: {short(cpu_us)} µs of CPU a request", "share"], rows)

"""Whether this tree takes more CPU than another commit: both run at once, and take turns of a part of a second.

So a machine whose speed changes, or which others use too, slows both alike.  A measure counts as lost if the median of
the turns' ratios and the ratio of the least are both beyond LOSS: one alone is chance.  AGAINST: the commit; without it
HEAD, beside what is not committed yet.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import IO, Any

from bench import h2load
from bench.cpu import run_seconds
from bench.figures import Figure, Report, Table, short
from bench.parts.chain import PATH as CHAT
from bench.rounds import Plan
from bench.variants import BODY

TITLE = "CPU against another commit"
ROOT = Path(__file__).parent.parent.parent
LOSS = 1.05
TURNS = 8
SECONDS = 0.5  # of one turn
LEAST = {"chain": 400, "check": 2000, "ratelimit": 1500}  # requests of one turn: what is done each second counts too
CONNECTIONS = 32
END_SECONDS = 20
# What is loaded, and whose CPU counts.
# Reservations that nobody ends come last: they are in flight from then on.
MEASURES = {"chain": ("envoy", "authz", "ratelimit"), "check": ("authz",), "ratelimit": ("ratelimit",)}
# Runs in each tree, with its own benchmark code.  Says where everything is; then, for each number that it reads, when
# that many more requests are in the ledger.
HOST = """
import asyncio, json, sys
from bench import envoys, h2load, keys, messages, rounds
from bench.cpu import family
from bench.stage import Stage, wait_for
from authz.service import CHECK
from ratelimit.service import PATH
population = keys.Population("guard", tenants=10, keys=10)
with Stage() as stage:
    asyncio.run(keys.insert(stage.postgres.url, population))
    log, check = stage.directory / "access.jsonl", messages.check(population.secret(0))
    settings = stage.sidecar(redis_timeout_ms=500, access_log_file=log)
    reserve = messages.after_check(rounds.ask(settings.authz_socket, CHECK, check))
    sockets = settings.authz_socket, settings.ratelimit_socket
    url = envoys.start_ours(stage, "envoy", envoys.start_upstream(stage), *sockets, log)
    print(json.dumps({
        "check": [str(sockets[0]), CHECK, str(stage.write("check", h2load.frame(check)))],
        "ratelimit": [str(sockets[1]), PATH, str(stage.write("reserve", h2load.frame(reserve)))],
        "url": url, "secret": population.secret(0),
        "pids": {name: sorted(family(pid)) for name, pid in stage.processes.items()},
    }), flush=True)
    def rows():
        metrics = stage.metrics("ratelimit")
        return sum(value for name, value in metrics.items() if "rows_written_total" in name)
    before = rows()
    for line in sys.stdin:
        wait_for(lambda: rows() - before >= int(line), "every row in the ledger")
        before = rows()
        print("done", flush=True)
"""


class Host:
    """A tree with all of its servers."""

    def __init__(self, directory: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(directory)}
        command = [sys.executable, "-c", HOST]
        self._process = subprocess.Popen(
            command, cwd=directory, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._said: dict[str, Any] = {}
        self.rate = 0.0  # requests/s of the last turn

    def wait(self) -> None:
        """Until everything is there."""
        self._said = json.loads(self._read())

    def _load(self, measure: str, requests: int) -> h2load.Load:
        if measure != "chain":
            socket, method, message = self._said[measure]
            return h2load.grpc(Path(socket), method, Path(message), requests, CONNECTIONS)
        headers = {"authorization": f"Bearer {self._said['secret']}", "content-type": "application/json"}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as body:
            json.dump(BODY, body)
            body.flush()
            return h2load.http(self._said["url"] + CHAT, Path(body.name), headers, requests, CONNECTIONS)

    def turn(self, measure: str, requests: int) -> dict[str, float]:
        """µs of CPU a request, by process."""
        before = self._spent(measure)
        load = self._load(measure, requests)
        self.rate = load.rate
        if load.ok != requests:
            raise RuntimeError(f"{measure}: {requests - load.ok} of {requests} answers are wrong")
        if measure == "chain":
            self._wait_for_rows(requests)
        after = self._spent(measure)
        return {name: (after[name] - before[name]) / requests * 1e6 for name in after}

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(END_SECONDS)

    def _spent(self, measure: str) -> dict[str, float]:
        return {name: run_seconds(self._said["pids"][name]) for name in MEASURES[measure]}

    def _wait_for_rows(self, number: int) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(f"{number}\n")
        stdin.flush()
        self._read()

    def _read(self) -> str:
        stdout: IO[str] | None = self._process.stdout
        line = stdout.readline() if stdout is not None else ""
        if not line:
            raise RuntimeError("the servers of a tree have ended")
        return line


def run(plan: Plan) -> Report:
    commit = os.environ.get("AGAINST") or "HEAD"
    report = Report(f"{TITLE}: this tree ÷ {commit}", f"{TURNS} turns of {SECONDS} s on each; µs of CPU a request.")
    rows = []
    with tree_of(commit) as other, contextlib.ExitStack() as stops:
        hosts: list[Host] = []
        for directory in (ROOT, other):  # one after the other: each takes ports that are free then
            hosts.append(host := Host(directory))
            stops.callback(host.close)
            host.wait()
        for measure in MEASURES:
            for name, ours, theirs in _compare(hosts, measure):
                ratio = Figure.ratio(ours, theirs)
                rows.append([f"{measure}, {name}", short(median(ours)), short(median(theirs)), str(ratio)])
                if ratio.median > LOSS and min(ours) > LOSS * min(theirs):
                    report.wrong.append(f"{measure}, {name}: {ratio} of the CPU of {commit}")
    report.tables.append(Table(["measure", "this tree", commit, "ratio (min – max)"], rows))
    return report


def _compare(hosts: list[Host], measure: str) -> Iterator[tuple[str, list[float], list[float]]]:
    """Of each process: its name, the turns of ours, and of theirs."""
    for host in hosts:
        host.turn(measure, LEAST[measure])  # warms up, too
    requests = max(LEAST[measure], int(min(host.rate for host in hosts) * SECONDS))
    turns: list[list[Mapping[str, float]]] = [[], []]
    for number in range(TURNS):
        for place in (0, 1) if number % 2 else (1, 0):
            turns[place].append(hosts[place].turn(measure, requests))
    for name in MEASURES[measure]:
        yield name, [each[name] for each in turns[0]], [each[name] for each in turns[1]]


@contextlib.contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """Its files, which run in this environment: exits if they need other packages."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        sys.exit(archive.stderr.decode().strip())
    with tempfile.TemporaryDirectory(prefix="tollkeeper-guard-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(directory, filter="data")
        for path in (ROOT / "protos").iterdir():  # generated when the package is built
            if not (directory / "protos" / path.name).exists():
                (directory / "protos" / path.name).symlink_to(path)
        yield directory

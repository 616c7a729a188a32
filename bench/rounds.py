"""Rounds of gRPC load on servers that do the same, in turn: ours and its baselines."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from bench import h2load
from bench.cpu import CpuMeter, family, memory_mb
from bench.figures import Figure, Measure, Report, Table, short
from bench.stage import Stage

STREAMS = 32


@dataclass(slots=True)
class Server:
    """`name` is that of its process on the stage.  `before` and `after` run around each round, to clean up and to check
    counters; `after` gets the number of calls."""

    name: str
    socket: Path
    before: Callable[[], None] = lambda: None
    after: Callable[[int], None] = lambda calls: None
    rates: list[float] = field(default_factory=list)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    memory: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How often and how long a benchmark measures."""

    rounds: int
    seconds: float


def ask(socket: Path, method: str, message: bytes) -> bytes:
    """One call with grpcio's own client, which waits for the server to come up."""
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        answer: bytes = channel.unary_unary(method, None, None)(message, timeout=20.0, wait_for_ready=True)
        return answer


def answers(socket: Path, method: str, message: bytes) -> Callable[[], bool]:
    """A probe for whether the server answers yet."""

    def probe() -> bool:
        if not socket.exists():
            return False
        try:
            ask(socket, method, message)
        except grpc.RpcError:
            return False
        return True

    return probe


def run(stage: Stage, report: Report, servers: Sequence[Server], method: str, message: bytes, plan: Plan) -> None:
    """Each server in turn, `plan.rounds` times; the first of `servers` is ours, the others are its baselines."""
    stage.pin(*(server.name for server in servers))
    body = stage.write("message", h2load.frame(message))
    calls = {server.name: _calls(server, method, body, plan.seconds) for server in servers}
    for _ in range(plan.rounds):
        for server in servers:
            _round(stage, report, server, method, body, calls[server.name])
    ours = servers[0]
    for theirs in servers[1:]:
        figure = Figure.ratio(ours.rates, theirs.rates)
        report.measures.append(Measure(f"calls/s, {ours.name} ÷ {theirs.name}", figure, target=6.0))
    report.tables.append(_table(servers))
    report.raw["servers"] = {server.name: {"rates": server.rates, "cpu_us": server.cpu} for server in servers}


def _calls(server: Server, method: str, body: Path, seconds: float) -> int:
    """The number of calls that take about `seconds`; warms the server up to find it."""
    server.before()
    load = h2load.grpc(server.socket, method, body, 2_000, STREAMS)
    server.after(2_000)
    return max(2_000, int(load.rate * seconds))


def _round(stage: Stage, report: Report, server: Server, method: str, body: Path, calls: int) -> None:
    server.before()
    meter = CpuMeter(stage.processes)
    load = h2load.grpc(server.socket, method, body, calls, STREAMS)
    spent = meter.spent()
    report.check(f"{server.name}: calls answered", (load.ok, load.failed), (calls, 0))
    time.sleep(0.05)
    server.after(calls)
    server.rates.append(load.rate)
    server.memory = memory_mb(family(stage.processes[server.name]))
    for process in (server.name, "valkey"):
        server.cpu.setdefault(process, []).append(spent[process] / calls * 1e6)


def _table(servers: Sequence[Server]) -> Table:
    header = ["server", "calls/s", "CPU µs per call", "Valkey µs per call", "memory MB"]
    rows = [
        [s.name, str(Figure.of(s.rates)), *(str(Figure.of(s.cpu[p])) for p in (s.name, "valkey")), short(s.memory)]
        for s in servers
    ]
    return Table(header, rows)

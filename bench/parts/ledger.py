"""Access-log entries: settled in Valkey and durable in Postgres, with the sidecar's process on one core.

Every entry ends a lease that ratelimit granted, and carries the metadata of that answer.  A rate is sustained if rows
are never more than a second behind and nothing is dropped.
"""

import asyncio
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from accesslog.service import PATH as STREAM
from authz.service import CHECK
from bench import keys, messages, rounds, wire
from bench.cpu import CpuMeter, memory_mb
from bench.figures import Figure, Measure, Report, Table, short
from bench.stage import REDIS_TIMEOUT_MS, Stage, wait_for
from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitResponse
from ratelimit.service import PATH as RESERVE

TITLE = "Access-log entries, settled and in the ledger"
RATES = (6_000, 8_000, 10_000, 12_000, 14_000, 16_000, 18_000)  # entries/s
TENANTS = 100
MAX_LAG_SECONDS = 1.0
KEPT_UP = 0.98  # share of the offered rate that must be taken
WATCH_SECONDS = 0.2
POPULATION = keys.Population("ledger", tenants=TENANTS, keys=TENANTS)
HEAD = "tollkeeper_accesslog_"


@dataclass(frozen=True, slots=True)
class Fed:
    """One run at one rate.  `rate`: entries taken a second; `after_seconds`: from the last entry to its row; `cpu_us`:
    per entry, by process."""

    offered: int
    rate: float
    lag_seconds: float
    after_seconds: float
    dropped: int
    cpu_us: dict[str, float]
    memory: float

    @property
    def sustained(self) -> bool:
        in_time = max(self.lag_seconds, self.after_seconds) < MAX_LAG_SECONDS
        return in_time and not self.dropped and self.rate > self.offered * KEPT_UP


def run(plan: rounds.Plan) -> Report:
    report = Report(TITLE, "The ratelimit process (which takes the log) on one core, everything else on the other.")
    runs: dict[int, list[Fed]] = {}
    with Stage() as stage:
        asyncio.run(keys.insert(stage.postgres.url, POPULATION))
        settings = stage.sidecar(redis_timeout_ms=REDIS_TIMEOUT_MS)
        stage.pin("ratelimit")
        requests = _requests(settings.authz_socket)
        rates = RATES if plan.rounds > 2 else RATES[:3]
        for rate in rates:
            for _ in range(max(1, plan.rounds // 2)):
                entries = _entries(settings.ratelimit_socket, requests, int(rate * plan.seconds))
                runs.setdefault(rate, []).append(_feed(stage, report, settings.ratelimit_socket, entries, rate))
            if not all(fed.sustained for fed in runs[rate]):
                break
        _check(stage, report, sum(int(rate * plan.seconds) * len(fed) for rate, fed in runs.items()))
    best = max((rate for rate, fed in runs.items() if all(each.sustained for each in fed)), default=0)
    report.measures.append(Measure("entries/s sustained on one core", Figure.of([best]), target=10_000))
    report.tables.append(_table(runs))
    return report


def _requests(authz: Path) -> list[bytes]:
    """A ShouldRateLimit request for each key."""
    checks = [messages.check(POPULATION.secret(n)) for n in range(TENANTS)]
    return [messages.after_check(rounds.ask(authz, CHECK, check)) for check in checks]


def _entries(ratelimit: Path, requests: list[bytes], count: int) -> list[bytes]:
    """Admits `count` requests, and describes the end of each."""
    entries: list[bytes] = []

    def describe(_: int, answer: bytes) -> bool:
        response = RateLimitResponse.FromString(answer)
        entries.append(messages.log_entry(response.dynamic_metadata))
        return response.overall_code == RateLimitResponse.OK

    connection = wire.Connection(ratelimit, RESERVE)
    wrong, _ = connection.calls([requests[i % len(requests)] for i in range(count)], rounds.STREAMS, describe)
    connection.close()
    assert not wrong, f"{wrong} requests were refused"
    return entries


def _feed(stage: Stage, report: Report, socket: Path, entries: list[bytes], rate: int) -> Fed:
    before, watch = stage.metrics("ratelimit"), _Lag(stage)
    meter, connection = CpuMeter(stage.processes), wire.Connection(socket, STREAM)
    began = time.perf_counter()
    connection.stream(entries, rate)
    took = time.perf_counter() - began

    def gained(name: str) -> int:
        now = stage.metrics("ratelimit")
        return int(sum(now[key] - before[key] for key in now if key.startswith(HEAD + name)))

    ended = time.perf_counter()
    wait_for(lambda: gained("rows_written") + gained("dropped") >= len(entries), "every row in the ledger")
    after = time.perf_counter() - ended
    wait_for(lambda: gained("settled_total") + gained("dropped") >= len(entries), "every lease settled")
    spent, lag = meter.spent(), watch.end()
    connection.close()
    cpu_us = {name: seconds / len(entries) * 1e6 for name, seconds in spent.items()}
    memory = memory_mb([stage.processes["ratelimit"]])
    return Fed(rate, len(entries) / took, lag, after, gained("dropped"), cpu_us, memory)


class _Lag:
    """Watches the lag in the metrics; `end` returns the maximum."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._greatest, self._ended = stage, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> float:
        self._ended.set()
        self._thread.join()
        return self._greatest

    def _watch(self) -> None:
        while not self._ended.wait(WATCH_SECONDS):
            self._greatest = max(self._greatest, self._stage.metrics("ratelimit")[HEAD + "ledger_lag_seconds"])


def _check(stage: Stage, report: Report, count: int) -> None:
    metrics = stage.metrics("ratelimit")
    dropped = int(sum(value for name, value in metrics.items() if name.startswith(HEAD + "dropped")))
    tokens = messages.INPUT_TOKENS + messages.OUTPUT_TOKENS
    rows = "SELECT count(*)::text || ' ' || count(DISTINCT id) || ' ' || sum(input_tokens + output_tokens) FROM usage"
    kept = count - dropped
    report.check("rows, requests, tokens in the ledger", stage.query(rows), f"{kept} {kept} {kept * tokens}")
    report.check("settled", int(metrics[f'{HEAD}settled_total{{outcome="settled"}}']), kept)
    report.check("settled twice", int(metrics[f'{HEAD}settled_total{{outcome="gone"}}']), 0)
    report.check("leases left in Valkey", stage.leases(), dropped)


def _table(runs: dict[int, list[Fed]]) -> Table:
    header = ["offered/s", "taken/s", "greatest lag s", "last row after s", "dropped", "ratelimit CPU µs", "Valkey µs"]
    rows = []
    for rate, fed in runs.items():
        figures = [
            [each.rate for each in fed],
            [each.lag_seconds for each in fed],
            [each.after_seconds for each in fed],
        ]
        cpu = [str(Figure.of([each.cpu_us[name] for each in fed])) for name in ("ratelimit", "valkey", "postgres")]
        dropped, memory = sum(each.dropped for each in fed), max(each.memory for each in fed)
        rows.append([f"{rate:,}", *(str(Figure.of(f)) for f in figures), f"{dropped:,}", *cpu, short(memory)])
    return Table([*header, "Postgres µs", "memory MB"], rows)

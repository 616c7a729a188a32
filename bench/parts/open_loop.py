"""The whole chain through Envoy, open loop: Poisson arrivals at fixed rates, latency from each one's scheduled time."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench import rounds
from bench.figures import Figure, Measure, Report, Table, short
from bench.parts.chain import PATH
from bench.stage import Stage
from bench.variants import BARE, BODY, HEADERS, OURS, Chain, Variant

TITLE = "The whole chain through Envoy, open loop"
RATES = (500, 1_000, 1_500, 2_000, 2_500, 3_000, 4_000)  # requests/s
PROMISED = 2_000
SATURATED_MS = 100.0  # median latency beyond which a higher rate would only measure the queue
WARM_UP_SECONDS = 0.5


@dataclass(slots=True)
class Result:
    """The rounds of one variant at one rate.  Latencies in ms."""

    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    failed: int = 0


def run(plan: rounds.Plan) -> Report:
    report = Report(TITLE, "HTTP/1.1, Poisson arrivals; everything shares the machine.")
    results: dict[tuple[str, int], Result] = {}
    with Stage() as stage:
        chain = Chain(stage, report)
        chain.start()
        request = stage.write("request", _request())
        for variant in chain.variants:
            _load(chain, variant, request, RATES[0], WARM_UP_SECONDS)
        saturated: set[str] = set()
        for rate in RATES:
            for _ in range(3 if rate == PROMISED and plan.rounds > 2 else 1):
                for variant in chain.variants:
                    if variant.name not in saturated:
                        result = results.setdefault((variant.name, rate), Result())
                        _round(chain, variant, request, rate, 2 * plan.seconds, result)
            saturated |= {name for (name, at), found in results.items() if at == rate and found.p50[-1] > SATURATED_MS}
        if OURS not in saturated:  # otherwise requests failed, which may or may not have a row
            chain.end()
    report.measures += _measures(results)
    report.tables.append(_table(chain, results))
    return report


def _request() -> bytes:
    body = json.dumps(BODY)
    headers = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    return f"POST {PATH} HTTP/1.1\r\nhost: bench\r\n{headers}content-length: {len(body)}\r\n\r\n{body}".encode()


def _load(chain: Chain, variant: Variant, request: Path, rate: int, seconds: float) -> dict[str, float]:
    chain.before(variant)
    parts = urlsplit(variant.url)
    command = [sys.executable, "-m", "bench.poisson", str(parts.hostname), str(parts.port), str(rate), str(seconds)]
    done = subprocess.run([*command, str(request)], capture_output=True, text=True, timeout=120, check=True)
    said: dict[str, float] = json.loads(done.stdout)
    if not said["failed"]:
        chain.after(variant, int(said["answered"]))
    return said


def _round(chain: Chain, variant: Variant, request: Path, rate: int, seconds: float, result: Result) -> None:
    said = _load(chain, variant, request, rate, seconds)
    result.p50.append(said["p50"])
    result.p99.append(said["p99"])
    result.failed += int(said["failed"])


def _measures(results: dict[tuple[str, int], Result]) -> list[Measure]:
    ours, bare = results.get((OURS, PROMISED)), results[BARE, PROMISED]
    if ours is None:
        return [Measure(f"saturated below {PROMISED:,}/s", Figure.of([1]), 0, at_most=True)]
    added = Figure.of([a - b for a, b in zip(ours.p50, bare.p50, strict=True)])
    return [
        Measure(f"failures at {PROMISED:,}/s", Figure.of([ours.failed]), 0, at_most=True),
        Measure(f"p50 added over no filters at {PROMISED:,}/s, ms", added, 4, at_most=True),
    ]


def _table(chain: Chain, results: dict[tuple[str, int], Result]) -> Table:
    names = [variant.name for variant in chain.variants]
    rows = []
    for rate in RATES:
        found = [results.get((name, rate)) for name in names]
        rows.append([f"{rate:,}", *(_cell(result) if result else "saturated" for result in found)])
    return Table(["offered/s", *(f"{name}, p50 / p99 ms" for name in names)], rows)


def _cell(result: Result) -> str:
    failed = f", {result.failed:,} failed" if result.failed else ""
    return f"{short(Figure.of(result.p50).median)} / {short(Figure.of(result.p99).median)}{failed}"

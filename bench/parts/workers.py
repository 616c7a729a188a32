"""One and several processes of each kind behind one Envoy, in turn."""

import asyncio
import json
import os
from dataclasses import dataclass, field

from bench import envoys, h2load, keys, rounds
from bench.cpu import CpuMeter
from bench.figures import Figure, Measure, Report, Table
from bench.parts.chain import PATH
from bench.stage import Stage, wait_for
from bench.variants import BODY, HEADERS, POPULATION

TITLE = "Several processes of each kind"
CONNECTIONS = 256
CORES_A_PAIR = 4  # one process of each kind, with the Envoy, stores and load that keep them busy


@dataclass(slots=True)
class Result:
    """Rounds with one number of processes.  CPU of the whole sidecar, in µs per request."""

    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def run(plan: rounds.Plan) -> Report:
    cores = os.cpu_count() or 1
    numbers = sorted({1, 2, max(2, cores // CORES_A_PAIR)})
    report = Report(TITLE, f"{CONNECTIONS} connections, closed loop, on {cores} cores; a new stack for each round.")
    results = {number: Result() for number in numbers}
    for _ in range(min(3, plan.rounds)):
        for number, result in results.items():
            _round(report, number, plan, result)
    for number in numbers[1:]:
        ratio = Figure.ratio(results[number].rates, results[1].rates)
        report.measures.append(Measure(f"requests/s, {number} of each ÷ one of each", ratio))
    rows = [[str(number), str(Figure.of(each.rates)), str(Figure.of(each.cpu))] for number, each in results.items()]
    report.tables.append(Table(["processes of each kind", "requests/s", "sidecar, CPU µs per request"], rows))
    return report


def _round(report: Report, number: int, plan: rounds.Plan, result: Result) -> None:
    with Stage() as stage:
        asyncio.run(keys.insert(stage.postgres.url, POPULATION))
        log = stage.directory / "access.jsonl"
        settings = stage.sidecar(workers=number, access_log_file=log)
        sidecar = dict(stage.processes)
        for name in ("valkey", "postgres"):
            del sidecar[name]
        upstream = envoys.start_upstream(stage)
        sockets = settings.authz_socket, settings.ratelimit_socket
        url = envoys.start_ours(stage, "envoy", upstream, *sockets, log, number)
        body = stage.write("body.json", json.dumps(BODY).encode())

        def load(requests: int) -> float:
            done = h2load.http(url + PATH, body, HEADERS, requests, CONNECTIONS)
            report.check(f"{number} of each: answers", (done.ok, done.failed), (requests, 0))
            return done.rate

        warm = 8 * CONNECTIONS
        requests = int(load(warm) * plan.seconds)
        meter = CpuMeter(sidecar)
        result.rates.append(load(requests))
        rows = "SELECT coalesce(sum(requests), 0) FROM usage"
        wait_for(lambda: stage.query(rows) >= warm + requests, "every row in the ledger")
        result.cpu.append(sum(meter.spent().values()) / requests * 1e6)
        report.check(f"{number} of each: rows in the ledger", stage.query(rows), warm + requests)
        report.check(f"{number} of each: leases left", stage.leases(), 0)

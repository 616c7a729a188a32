"""The whole chain through Envoy, closed loop: 1, 32 and 256 connections with one request in flight each."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench import h2load, rounds
from bench.cpu import CpuMeter, family, memory_mb
from bench.figures import Figure, Measure, Report, Table, short
from bench.stage import Stage
from bench.variants import BARE, HEADERS, OURS, STATIC, Chain, Variant

TITLE = "The whole chain through Envoy, closed loop"
CONNECTIONS = (1, 32, 256)
PATH = "/v1/chat/completions"


@dataclass(slots=True)
class Result:
    """The rounds of one variant at one number of connections.  CPU in µs per request."""

    rates: list[float] = field(default_factory=list)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    def cpu_of(self, processes: Sequence[str]) -> list[float]:
        return [sum(values) for values in zip(*(self.cpu[name] for name in processes), strict=True)]


Results = dict[tuple[str, int], Result]


def run(plan: rounds.Plan) -> Report:
    how = "HTTP/1.1, h2load, Envoy with a worker a core; load, Envoy, sidecar, stores and upstream share the machine."
    report, results = Report(TITLE, how), Results()
    with Stage() as stage:
        chain = Chain(stage, report)
        chain.start()
        for connections in CONNECTIONS:
            counts = {variant.name: _warm_up(chain, variant, connections, plan) for variant in chain.variants}
            for _ in range(plan.rounds):
                for variant in chain.variants:
                    result = results.setdefault((variant.name, connections), Result())
                    _round(chain, variant, connections, counts[variant.name], result)
        chain.end()
        memory = {name: memory_mb(family(pid)) for name, pid in stage.processes.items()}
    report.measures += _measures(results)
    report.tables += [_table(chain, results, connections) for connections in CONNECTIONS]
    report.tables.append(Table(["process", "memory MB"], [[name, short(mb)] for name, mb in memory.items()]))
    return report


def _warm_up(chain: Chain, variant: Variant, connections: int, plan: rounds.Plan) -> int:
    """The number of requests of a round of about `plan.seconds`."""
    load = _load(chain, variant, connections, max(500, 4 * connections))
    return max(500, int(load.rate * plan.seconds))


def _load(chain: Chain, variant: Variant, connections: int, requests: int) -> h2load.Load:
    chain.before(variant)
    load = h2load.http(variant.url + PATH, chain.body(), HEADERS, requests, connections)
    chain.report.check(f"{variant.name}: answers", (load.ok, load.failed), (requests, 0))
    chain.after(variant, requests)
    return load


def _round(chain: Chain, variant: Variant, connections: int, requests: int, result: Result) -> None:
    meter = CpuMeter(chain.stage.processes)
    load = _load(chain, variant, connections, requests)
    spent = meter.spent()  # the ledger's work included: _load waited for it
    result.rates.append(load.rate)
    for name in variant.processes:
        result.cpu.setdefault(name, []).append(spent[name] / requests * 1e6)


def _measures(results: Results) -> list[Measure]:
    ours, static = results[OURS, 32], results[STATIC, 32]
    python = Figure.ratio(ours.cpu_of(["authz", "ratelimit"]), ours.cpu["envoy"])
    return [
        Measure("Python CPU ÷ Envoy CPU, 32 connections", python, 0.5, at_most=True),
        Measure("requests/s, Tollkeeper ÷ static answers, 32", Figure.ratio(ours.rates, static.rates), 0.9),
        Measure("requests/s, Tollkeeper ÷ no filters, 32", Figure.ratio(ours.rates, results[BARE, 32].rates)),
    ]


def _table(chain: Chain, results: Results, connections: int) -> Table:
    header = [f"{connections} connections", "requests/s", "Envoy µs", "authz µs", "ratelimit + log µs", "Valkey µs"]
    rows = []
    for variant in chain.variants:
        result = results[variant.name, connections]
        names = [variant.envoy, *(variant.python or ("", "")), *(variant.stores or ("", "")), "upstream"]
        rows.append([variant.name, str(Figure.of(result.rates)), *(_median(result, name) for name in names)])
    return Table([*header, "Postgres µs", "upstream µs"], rows)


def _median(result: Result, process: str) -> str:
    return short(Figure.of(result.cpu[process]).median) if process else "–"

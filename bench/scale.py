"""Scale: 100,000 active tenants of a million keys beside ten keys of one; a cold start; one tenant that floods."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from accesslog.service import PATH as STREAM
from authz.service import CHECK
from bench import h2load, keys, messages, rounds, wire
from bench.cpu import CpuMeter, memory_mb
from bench.figures import Figure, Measure, Report, Table, percentile, short
from bench.stage import PATIENT_MS, Stage, decisions, gained, wait_for
from bench.variants import SETTLED
from protos.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitResponse
from ratelimit.service import PATH as RESERVE
from store.postgres import open_postgres
from store.redis import open_redis_async
from tenancy.postgres.records import PostgresRecordSource
from tenancy.redis.records import RedisRecordCache
from tenancy.values.secret import hash_secret
from tollkeeper.config import Settings

TITLE = "Scale"
SMALL = keys.Population("small", tenants=1, keys=10)
FLOOD = keys.Population("flood", tenants=1, keys=1)
COLD_KEYS = 5_000
SHARED_AT_ONCE = 1_000
AT_ONCE = 5_000  # requests in flight
REPEATS = 4  # how often each key is asked for at the same moment in the cold start
QUIET_RATE = 500.0  # calls/s of the tenants beside the one that floods
FLOOD_STREAMS = 256

Judge = Callable[[int, bytes], bool]


@dataclass(slots=True)
class Side:
    """A population and what its calls cost, by round."""

    population: keys.Population
    active: int
    checks: list[bytes] = field(default_factory=list)
    reserves: list[bytes] = field(default_factory=list)
    cpu: dict[str, list[float]] = field(default_factory=dict)


def run(plan: rounds.Plan) -> Report:
    full = plan.rounds > 2
    large = keys.Population("large", tenants=100_000 if full else 5_000, keys=1_000_000 if full else 20_000)
    sides = [Side(SMALL, SMALL.keys), Side(large, large.tenants)]
    active = f"{large.tenants:,} tenants active in turn, {AT_ONCE:,} requests in flight"
    how = f"{large.keys:,} keys in Postgres, {active}; every answer checked."
    report = Report(TITLE, how)
    with Stage() as stage:
        for population in (SMALL, large):
            asyncio.run(keys.insert(stage.postgres.url, population))
        asyncio.run(keys.insert(stage.postgres.url, FLOOD, tokens_per_minute=1))
        settings = stage.sidecar(cache_entries=large.tenants + 1_000, redis_timeout_ms=PATIENT_MS)
        empty = memory_mb([stage.processes["authz"]])
        for side in sides:
            side.checks = [messages.check(side.population.secret(n)) for n in range(side.active)]
        report.tables.append(_cold_start(stage, report, settings.authz_socket, sides[1]))
        asyncio.run(_share(stage, large))
        for side in sides:
            _learn_policies(report, settings.authz_socket, side)
        for _ in range(2):  # what has aged meanwhile is loaded; what is then used stays fresh
            _ask(report, "warming up", settings.authz_socket, CHECK, sides[1].checks, lambda n, answer: bool(answer))
        for side in sides:  # so that every policy has been read
            _run_all(stage, report, settings, side, range(side.active), _Cost(stage))
        hit_rates = _warm(stage, report, settings, sides, plan)
        memory = {name: memory_mb([stage.processes[name]]) for name in ("authz", "ratelimit")}
        flooded = _floods(stage, report, settings, sides[1], plan)
    report.measures += _measures(sides)
    rows = [[f"{name}: memory with all of them, MB", short(mb)] for name, mb in memory.items()]
    rows.append(["authz: memory before, MB", short(empty)])
    rows += [[f"{name}: lookups answered by the process's own cache", f"{rate:.1%}"] for name, rate in hit_rates]
    report.tables += [_table(sides), Table(["state", ""], rows), flooded]
    return report


def _ask(
    report: Report,
    what: str,
    socket: Path,
    method: str,
    requests: Sequence[bytes],
    is_right: Judge,
) -> list[float]:
    """The seconds that each call took."""
    connection = wire.Connection(socket, method)
    wrong, took = connection.calls(requests, rounds.STREAMS, is_right)
    connection.close()
    report.check(f"{what}: wrong answers", wrong, 0)
    return took


def _right_tenant(side: Side, numbers: Sequence[int]) -> Judge:
    """Whether an answer admits the tenant that was asked for."""
    names = [f"{side.population.tenant_id(n)}".encode() for n in range(side.active)]
    return lambda i, answer: names[numbers[i]] in answer


def _cold_start(stage: Stage, report: Report, socket: Path, side: Side) -> Table:
    """Nobody knows any key yet, and every key is asked for several times at once."""
    numbers = [n for n in range(min(COLD_KEYS, side.active)) for _ in range(REPEATS)]
    before = _lookups(stage.metrics("authz"))
    began = time.perf_counter()
    took = _ask(report, "cold start", socket, CHECK, [side.checks[n] for n in numbers], _right_tenant(side, numbers))
    seconds = time.perf_counter() - began
    loads, distinct, ordered = gained(before, _lookups(stage.metrics("authz"))), len(numbers) // REPEATS, sorted(took)
    report.check("lookups in Postgres in the cold start", loads["postgres"], distinct)
    row = [f"{distinct:,}", f"{len(numbers):,}", f"{len(numbers) / seconds:,.0f}", f"{loads['postgres']:,}"]
    latencies = [short(percentile(ordered, share) * 1000) for share in (0.5, 0.99)]
    return Table(["cold keys", "calls", "calls/s", "lookups in Postgres", "p50 ms", "p99 ms"], [row + latencies])


def _lookups(metrics: Mapping[str, float]) -> dict[str, int]:
    """How many lookups each level of the chain has answered."""
    head = 'tollkeeper_tenancy_cache_hits_total{level="'
    return {name[len(head) : -2]: int(value) for name, value in metrics.items() if name.startswith(head)}


async def _share(stage: Stage, population: keys.Population) -> None:
    """Puts the records of one key for each tenant into Redis, as other sidecars would have done."""
    client = open_redis_async(f"unix://{stage.valkey.socket}", timeout=10.0)
    async with open_postgres(stage.postgres.url, timeout=10.0) as pool:
        source, shared = PostgresRecordSource(pool, 10.0), RedisRecordCache(client)
        for first in range(0, population.tenants, SHARED_AT_ONCE):
            numbers = range(first, min(first + SHARED_AT_ONCE, population.tenants))
            await shared.put_many(await source.load_many([hash_secret(population.secret(n)) for n in numbers]))
    await client.aclose()


def _learn_policies(report: Report, socket: Path, side: Side) -> None:
    """From the answers to all checks, which also warms the cache."""
    policies = [""] * side.active

    def learn(n: int, answer: bytes) -> bool:
        response = CheckResponse.FromString(answer)
        policies[n] = response.dynamic_metadata.fields["policy"].string_value
        return response.dynamic_metadata.fields["tenant_id"].string_value == side.population.tenant_id(n)

    _ask(report, "warming up", socket, CHECK, side.checks, learn)
    side.reserves = [messages.should_rate_limit(policy) for policy in policies]


def _warm(
    stage: Stage, report: Report, settings: Settings, sides: Sequence[Side], plan: rounds.Plan
) -> list[tuple[str, float]]:
    """Fills in what a call costs.  The share of lookups that the process's own cache answered, by population."""
    hit_rates: dict[str, float] = {}
    numbers = {side.population.name: [n % side.active for n in range(sides[-1].active)] for side in sides}
    for service in ("authz", "ratelimit"):
        for _ in range(min(3, plan.rounds)):
            for side in sides:
                name, before = side.population.name, _lookups(stage.metrics("authz"))
                _pass(stage, report, settings, side, service, numbers[name])
                found = gained(before, _lookups(stage.metrics("authz")))
                if service == "authz":
                    hit_rates[name] = found.get("process", 0) / sum(found.values())
    return list(hit_rates.items())


def _pass(stage: Stage, report: Report, settings: Settings, side: Side, service: str, numbers: Sequence[int]) -> None:
    """One call for each number, measured."""
    cost = _Cost(stage)
    if service == "authz":
        right = _right_tenant(side, numbers)
        with cost:
            _ask(report, "check", settings.authz_socket, CHECK, [side.checks[n] for n in numbers], right)
    else:
        _run_all(stage, report, settings, side, numbers, cost)
    for name, key in ((service, service), ("valkey", f"valkey for {service}")):
        side.cpu.setdefault(key, []).append(cost.seconds[name] / len(numbers) * 1e6)


def _run_all(
    stage: Stage, report: Report, settings: Settings, side: Side, numbers: Sequence[int], cost: "_Cost"
) -> None:
    """Reserves for each number, which is what costs, and ends the requests as model servers do: some are in flight."""
    for first in range(0, len(numbers), AT_ONCE):
        some = numbers[first : first + AT_ONCE]
        right, entries = _right_tenant(side, some), list[bytes]()

        def judge(i: int, answer: bytes, right: Judge = right, entries: list[bytes] = entries) -> bool:
            entries.append(messages.log_entry(RateLimitResponse.FromString(answer).dynamic_metadata))
            return right(i, answer)

        with cost:
            _ask(report, "reserve", settings.ratelimit_socket, RESERVE, [side.reserves[n] for n in some], judge)
        settled = stage.metrics("ratelimit")[SETTLED] + len(entries)
        connection = wire.Connection(settings.ratelimit_socket, STREAM)
        connection.stream(entries)
        connection.close()
        wait_for(lambda settled=settled: stage.metrics("ratelimit")[SETTLED] >= settled, "every lease settled")  # type: ignore[misc]


class _Cost:
    """CPU in seconds by process, of all the times that it was open."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self.seconds = stage, Counter[str]()

    def __enter__(self) -> None:
        self._meter = CpuMeter(self._stage.processes)

    def __exit__(self, *_: object) -> None:
        self.seconds.update(self._meter.spent())


def _measures(sides: Sequence[Side]) -> list[Measure]:
    small, large = sides
    return [
        Measure(f"{name}: CPU per call, many ÷ few", Figure.ratio(large.cpu[name], small.cpu[name]), 1.2, at_most=True)
        for name in ("authz", "ratelimit")
    ]


def _table(sides: Sequence[Side]) -> Table:
    names = list(sides[0].cpu)
    rows = [[f"{side.active:,}", *(str(Figure.of(side.cpu[name])) for name in names)] for side in sides]
    return Table(["active keys", *(f"{name}, CPU µs per call" for name in names)], rows)


@dataclass(frozen=True, slots=True)
class Flood:
    """`message` is refused as `outcome`, as often as it comes; `calls` are those of the other tenants."""

    service: str
    socket: Path
    method: str
    calls: Sequence[bytes]
    message: bytes
    outcome: str


def _floods(stage: Stage, report: Report, settings: Settings, side: Side, plan: rounds.Plan) -> Table:
    """What the others notice while one tenant is refused, and one guesses keys, as often as they can ask."""
    answer = CheckResponse.FromString(rounds.ask(settings.authz_socket, CHECK, messages.check(FLOOD.secret(0))))
    spent = messages.should_rate_limit(answer.dynamic_metadata.fields["policy"].string_value)
    guess = messages.check("sk_" + "0" * 48)
    floods = [
        Flood("ratelimit", settings.ratelimit_socket, RESERVE, side.reserves, spent, "over_limit"),
        Flood("authz", settings.authz_socket, CHECK, side.checks, guess, "unknown"),
    ]
    rows = [row for flood in floods for row in _beside(stage, report, side, flood, plan)]
    return Table(["other tenants, 500 calls/s", "refusals/s", "p50 ms", "p99 ms"], rows)


def _beside(stage: Stage, report: Report, side: Side, flood: Flood, plan: rounds.Plan) -> list[list[str]]:
    body = stage.write("flood", h2load.frame(flood.message))
    alone = _quiet(report, side, flood, plan)
    before = decisions(stage.metrics(flood.service), flood.service)
    began = time.perf_counter()
    load = h2load.start_grpc(flood.socket, flood.method, body, FLOOD_STREAMS)
    beside = _quiet(report, side, flood, plan)
    seconds = time.perf_counter() - began
    load.terminate()
    load.wait()
    refusals = gained(before, decisions(stage.metrics(flood.service), flood.service))[flood.outcome]
    return [
        [f"{flood.service}, alone", "0", *alone],
        [f"{flood.service}, beside the flood", f"{refusals / seconds:,.0f}", *beside],
    ]


def _quiet(report: Report, side: Side, flood: Flood, plan: rounds.Plan) -> list[str]:
    """Latency of a steady, small load, each call by another tenant."""
    numbers = [n % side.active for n in range(int(QUIET_RATE * 2 * plan.seconds))]
    connection = wire.Connection(flood.socket, flood.method)
    right = _right_tenant(side, numbers)
    wrong, took = connection.calls([flood.calls[n] for n in numbers], rounds.STREAMS, right, QUIET_RATE)
    connection.close()
    report.check("other tenants: wrong answers", wrong, 0)
    return [short(percentile(sorted(took), share) * 1000) for share in (0.5, 0.99)]

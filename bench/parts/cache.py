"""What the response cache costs requests that have no use of it, and what it saves: the whole chain, 32 connections.

In each round in turn: Envoy whose meter knows of no cache, and the usual one; then another model has a cache; then the
model that is asked for has one, which its requests pass (`no-cache`) or are answered from."""

import asyncio
import json
import time
from dataclasses import dataclass, field

import asyncpg

from bench import envoys, h2load, keys, messages, rounds
from bench.cpu import CpuMeter
from bench.figures import Figure, Measure, Report, Table, short
from bench.parts.chain import PATH
from bench.stage import Stage
from bench.variants import BODY, HEADERS, POPULATION
from tenancy.redis.names import INVALIDATE_CHANNEL
from tenancy.values.invalidation import INVALIDATE_MODELS

TITLE = "The response cache, through Envoy"
CONNECTIONS, OTHER = 32, "another"
# What the meter does for it with requests and answers that have none.
LEFT_OUT = (
    "  cache_key.note(handle, metadata, open ~= 0 and open and text, asked.scalars.model)\n",
    '  local copy = headers:get("x-tollkeeper-cache") and kept_copy.new(handle, headers)\n',
)
WITHOUT, NONE, ANOTHERS, PASSED, HIT = "left out", "no cache", "another model's", "passed", "hit"
# By the model that has a cache.
TURNS = {"": (WITHOUT, NONE), OTHER: (ANOTHERS,), messages.MODEL: (PASSED, HIT)}
MADE = "INSERT INTO models (name, cache_requests) SELECT unnest($1::text[]), 'all'"
CHANGED = "UPDATE models SET cache_enabled = name = $1"
NO_CACHE = {"cache-control": "no-cache, no-store"}
SETTLE_SECONDS = 0.5  # a change is heard of in some milliseconds


@dataclass(slots=True)
class Rounds:
    """CPU in µs a request."""

    rates: list[float] = field(default_factory=list)
    envoy: list[float] = field(default_factory=list)
    python: list[float] = field(default_factory=list)


def run(plan: rounds.Plan) -> Report:
    report = Report(TITLE, "A short chat and its plain answer; Envoy with a worker a core; everything on one machine.")
    results = {name: Rounds() for names in TURNS.values() for name in names}
    with Stage() as stage:
        asyncio.run(keys.insert(stage.postgres.url, POPULATION))
        asyncio.run(_execute(stage, MADE, [OTHER, messages.MODEL]))
        log = stage.directory / "access.jsonl"
        settings = stage.sidecar(access_log_file=log)
        upstream, sockets = envoys.start_upstream(stage), (settings.authz_socket, settings.ratelimit_socket)
        ours = envoys.start_ours(stage, "envoy", upstream, *sockets, log)
        without = envoys.start_ours(stage, "envoy-without", upstream, *sockets, log, left_out=LEFT_OUT)
        for turn in range(plan.rounds + 1):  # the first warms up
            for model, names in TURNS.items():
                _have_cached(stage, model)
                for name in names:
                    envoy, url = ("envoy-without", without) if name == WITHOUT else ("envoy", ours)
                    _round(stage, report, envoy, url + PATH, name, plan, results[name] if turn else Rounds())
    report.measures += _measures(results)
    report.tables.append(_table(results))
    return report


async def _execute(stage: Stage, sql: str, *arguments: object) -> None:
    connection = await asyncpg.connect(stage.postgres.url)
    try:
        await connection.execute(sql, *arguments)
    finally:
        await connection.close()


def _have_cached(stage: Stage, model: str) -> None:
    asyncio.run(_execute(stage, CHANGED, model))
    stage.redis.publish(INVALIDATE_CHANNEL, INVALIDATE_MODELS)
    time.sleep(SETTLE_SECONDS)


def _round(stage: Stage, report: Report, envoy: str, url: str, name: str, plan: rounds.Plan, result: Rounds) -> None:
    body = stage.write("body.json", json.dumps(BODY).encode())
    headers = {**HEADERS, **(NO_CACHE if name == PASSED else {})}
    probe = h2load.http(url, body, headers, 500, CONNECTIONS)
    requests = max(500, int(probe.rate * plan.seconds))
    before, meter = _hits(stage), CpuMeter(stage.processes)
    load = h2load.http(url, body, headers, requests, CONNECTIONS)
    spent = meter.spent()
    report.check(f"{name}: answers", (load.ok, load.failed), (requests, 0))
    time.sleep(SETTLE_SECONDS)
    report.check(f"{name}: hits", _hits(stage) - before, requests if name == HIT else 0)
    result.rates.append(load.rate)
    result.envoy.append(spent[envoy] / requests * 1e6)
    result.python.append(sum(spent[process] for process in ("authz", "ratelimit")) / requests * 1e6)


def _hits(stage: Stage) -> int:
    found = stage.metrics("ratelimit").items()
    return int(
        sum(value for key, value in found if key.startswith("tollkeeper_response_cache_requests") and "hit" in key)
    )


def _measures(results: dict[str, Rounds]) -> list[Measure]:
    none, without = results[NONE], results[WITHOUT]
    return [
        Measure("Envoy's CPU, no cache ÷ left out", Figure.ratio(none.envoy, without.envoy), 1.03, at_most=True),
        Measure("Python's CPU, no cache ÷ left out", Figure.ratio(none.python, without.python)),
        Measure(
            "Envoy's CPU, another model's ÷ no cache",
            Figure.ratio(results[ANOTHERS].envoy, none.envoy),
            1.03,
            at_most=True,
        ),
        Measure("Envoy's CPU, hit ÷ no cache", Figure.ratio(results[HIT].envoy, none.envoy)),
        Measure("Python's CPU, hit ÷ no cache", Figure.ratio(results[HIT].python, none.python)),
    ]


def _table(results: dict[str, Rounds]) -> Table:
    header = ["32 connections", "requests/s", "Envoy µs", "authz + ratelimit + log µs"]
    rows = [
        [name, str(Figure.of(each.rates)), short(Figure.of(each.envoy).median), short(Figure.of(each.python).median)]
        for name, each in results.items()
    ]
    return Table(header, rows)

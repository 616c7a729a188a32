"""ShouldRateLimit with its debit in Valkey: the sidecar's ratelimit process beside grpc.aio with one EVALSHA a call,
once with the same lease and answer, once with the debit alone."""

import asyncio
import json
from pathlib import Path

from google.protobuf.json_format import MessageToDict

from authz.service import CHECK
from bench import keys, messages, rounds
from bench.baselines import aio
from bench.figures import Report
from bench.stage import Stage, decisions, gained
from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitResponse
from ratelimit.budgets.keys import leases_key
from ratelimit.service import PATH
from ratelimit.tenants.sealed import object_of

TITLE = "ShouldRateLimit with a debit in Valkey"
POPULATION = keys.Population("rls", tenants=1, keys=1)
SAME, DEBIT = "grpc.aio", "grpc.aio, debit alone"


def run(plan: rounds.Plan) -> Report:
    how = f"Two token budgets, {rounds.STREAMS} streams on one connection, Unix sockets, the server on one core"
    report = Report(TITLE, f"{how}; grpc.aio on {aio.LOOP}.")
    with Stage() as stage:
        asyncio.run(keys.insert(stage.postgres.url, POPULATION))
        settings = stage.sidecar()
        checked = rounds.ask(settings.authz_socket, CHECK, messages.check(POPULATION.secret(0)))
        message = messages.after_check(checked)
        wanted = rounds.ask(settings.ratelimit_socket, PATH, message)
        servers = [_ours(stage, report, settings.ratelimit_socket)]
        servers += [_baseline(stage, report, name, message, wanted) for name in (SAME, DEBIT)]
        rounds.run(stage, report, servers, PATH, message, plan)
    return report


def _ours(stage: Stage, report: Report, socket: Path) -> rounds.Server:
    seen: dict[str, int] = {}

    def before() -> None:
        stage.empty_redis()
        seen.update(decisions(stage.metrics("ratelimit"), "ratelimit"))

    def after(calls: int) -> None:
        found = gained(seen, decisions(stage.metrics("ratelimit"), "ratelimit"))
        report.check("ratelimit decisions", found, {"fast": calls})
        report.check("leases in Valkey", stage.redis.zcard(leases_key(POPULATION.tenant_id(0))), calls)

    return rounds.Server("ratelimit", socket, before, after)


def _baseline(stage: Stage, report: Report, name: str, message: bytes, wanted: bytes) -> rounds.Server:
    """Of two that both say what they reserved; the one with a lease says all that `wanted`, our own answer, says."""
    leases = name == SAME
    socket = stage.directory / f"aio-{'lease' if leases else 'debit'}.sock"
    ready = rounds.answers(socket, PATH, message)
    stage.baseline(name, "aio_ratelimit", socket, stage.valkey.socket, *(["lease"] if leases else []), ready=ready)
    theirs, ours = said(rounds.ask(socket, PATH, message)), said(wanted)
    if leases:
        report.check(f"{name}: says the same", theirs, ours)
    else:
        report.check(f"{name}: reserves", theirs["reserved_tokens"], ours["reserved_tokens"])

    def after(calls: int) -> None:
        tenant = f"aio:leases:{{{POPULATION.tenant_id(0)}}}"
        report.check(f"{name}: leases in Valkey", stage.redis.zcard(tenant), calls if leases else 0)

    return rounds.Server(name, socket, stage.empty_redis, after)


def said(answer: bytes) -> dict[str, object]:
    """Code, metadata and the names of the headers; without what differs from call to call."""
    response = RateLimitResponse.FromString(answer)
    metadata = MessageToDict(response.dynamic_metadata)
    metadata |= json.loads(object_of(metadata.pop("decision", " {}")))
    lease_id, _ = metadata.pop("lease_id", ""), metadata.pop("seal", "")
    headers = sorted(header.key for header in response.response_headers_to_add)
    return {"code": response.overall_code, "leased": len(lease_id), "headers": headers, **metadata}

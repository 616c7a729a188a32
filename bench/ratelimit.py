"""ShouldRateLimit with its debit in Valkey: the sidecar's ratelimit process beside grpc.aio with one EVALSHA a call."""

import asyncio
from pathlib import Path

from authz.service import CHECK
from bench import aio_check, keys, messages, rounds
from bench.figures import Report
from bench.stage import Stage, decisions, gained
from protos.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitResponse
from ratelimit.service import PATH
from tenancy.names import redis_key_leases

TITLE = "ShouldRateLimit with a debit in Valkey"
POPULATION = keys.Population("rls", tenants=1, keys=1)
COST = messages.MAX_TOKENS + messages.BODY_BYTES // 4


def run(plan: rounds.Plan) -> Report:
    loop = aio_check.LOOP
    how = f"Two token budgets, {rounds.STREAMS} streams on one connection, Unix sockets, the server on one core"
    report = Report(TITLE, f"{how}; grpc.aio on {loop}. Ours also takes a lease, which the baseline does not.")
    with Stage() as stage:
        asyncio.run(keys.insert(stage.postgres.url, POPULATION))
        settings = stage.sidecar()
        answer = rounds.ask(settings.authz_socket, CHECK, messages.check(POPULATION.secret(0)))
        policy = CheckResponse.FromString(answer).dynamic_metadata.fields["policy"].string_value
        message = messages.should_rate_limit(policy)
        ours = _ours(stage, report, settings.ratelimit_socket)
        rounds.run(stage, report, [ours, _baseline(stage, report, message)], PATH, message, plan)
        _compare(report, "ours", rounds.ask(settings.ratelimit_socket, PATH, message))
    return report


def _ours(stage: Stage, report: Report, socket: Path) -> rounds.Server:
    seen: dict[str, int] = {}

    def before() -> None:
        stage.empty_redis()
        seen.update(decisions(stage.metrics("ratelimit"), "ratelimit"))

    def after(calls: int) -> None:
        found = gained(seen, decisions(stage.metrics("ratelimit"), "ratelimit"))
        report.check("ratelimit decisions", found, {"fast": calls})
        report.check("leases in Valkey", stage.redis.zcard(redis_key_leases(POPULATION.tenant_id(0))), calls)

    return rounds.Server("ratelimit", socket, before, after)


def _baseline(stage: Stage, report: Report, message: bytes) -> rounds.Server:
    socket = stage.directory / "aio.sock"
    ready = rounds.answers(socket, PATH, message)
    stage.python("grpc.aio", "aio_ratelimit", socket, stage.valkey.socket, ready=ready)
    _compare(report, "grpc.aio", rounds.ask(socket, PATH, message))
    return rounds.Server("grpc.aio", socket, stage.empty_redis)


def _compare(report: Report, who: str, answer: bytes) -> None:
    response = RateLimitResponse.FromString(answer)
    reserved = response.dynamic_metadata.fields["reserved_tokens"].number_value
    report.check(f"{who}: answer", (response.overall_code, reserved), (RateLimitResponse.OK, COST))

"""ext_authz Check of a warm key: the sidecar's authz process beside grpc.aio with generated stubs."""

import asyncio
from pathlib import Path

from authz.identity import headers_to_remove, headers_to_set, metadata
from authz.service import CHECK
from bench import keys, messages, rounds
from bench.baselines import aio
from bench.figures import Report
from bench.stage import Stage, decisions, gained
from protos.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from tenancy.values.key_record import KeyRecord

TITLE = "ext_authz Check"
POPULATION = keys.Population("check", tenants=1, keys=1)


def run(plan: rounds.Plan) -> Report:
    how = f"Warm key, {rounds.STREAMS} streams on one connection, Unix socket, the server on one core"
    report = Report(TITLE, f"{how}; grpc.aio on {aio.LOOP}.")
    with Stage() as stage:
        asyncio.run(keys.insert(stage.postgres.url, POPULATION))
        settings = stage.sidecar()
        message = messages.check(POPULATION.secret(0))
        _compare(report, "ours", rounds.ask(settings.authz_socket, CHECK, message))
        servers = [_ours(stage, report, settings.authz_socket), _baseline(stage, report, message)]
        rounds.run(stage, report, servers, CHECK, message, plan)
    return report


def _ours(stage: Stage, report: Report, socket: Path) -> rounds.Server:
    seen: dict[str, int] = {}

    def before() -> None:
        seen.update(decisions(stage.metrics("authz"), "authz"))

    def after(calls: int) -> None:
        found = gained(seen, decisions(stage.metrics("authz"), "authz"))
        report.check("authz decisions", found, {"allowed": calls})

    return rounds.Server("authz", socket, before, after)


def _baseline(stage: Stage, report: Report, message: bytes) -> rounds.Server:
    record = KeyRecord(
        version=1, key_id=POPULATION.key_id(0), key_name="", tenant_id=POPULATION.tenant_id(0), tenant_name="",
        fairshare_group="default", weight=100, tokens_per_minute=1, key_tokens_per_minute=1,
    )  # fmt: skip
    known = {"headers": headers_to_set(record), "remove": headers_to_remove(record), "metadata": metadata(record)}
    socket = stage.directory / "aio.sock"
    file = stage.write("keys.json", {POPULATION.secret(0): known})
    stage.baseline("grpc.aio", "aio_check", socket, file, ready=rounds.answers(socket, CHECK, message))
    _compare(report, "grpc.aio", rounds.ask(socket, CHECK, message))
    return rounds.Server("grpc.aio", socket)


def _compare(report: Report, who: str, answer: bytes) -> None:
    response = CheckResponse.FromString(answer)
    tenant_id = response.dynamic_metadata.fields["tenant_id"].string_value
    report.check(f"{who}: answer", (response.status.code, tenant_id), (0, POPULATION.tenant_id(0)))

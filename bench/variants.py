"""Three variants of the chain, side by side: without filters, with static answers, with Tollkeeper."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from authz.service import CHECK
from bench import envoys, keys, messages, rounds
from bench.figures import Report
from bench.stage import Stage, decisions, gained, wait_for
from ratelimit.service import PATH as RESERVE
from tollkeeper.supervisor import GRPC_EXPERIMENTS

BARE, STATIC, OURS = "no filters", "static answers", "Tollkeeper"
POPULATION = keys.Population("chain", tenants=10, keys=10)
BODY = {
    "model": messages.MODEL,
    "messages": [{"role": "user", "content": "Hello"}],
    "max_tokens": messages.MAX_TOKENS,
}
HEADERS = {"authorization": f"Bearer {POPULATION.secret(0)}", "content-type": "application/json"}
ROWS = "tollkeeper_accesslog_rows_written_total"
SETTLED = 'tollkeeper_accesslog_settled_total{outcome="settled"}'
DROPPED = "tollkeeper_accesslog_dropped_total"


@dataclass(frozen=True, slots=True)
class Variant:
    """`python`: our processes, or those in their place; `processes`: all that take part in a request."""

    name: str
    url: str
    envoy: str
    python: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()

    @property
    def processes(self) -> tuple[str, ...]:
        return (self.envoy, *self.python, *self.stores, "upstream")


@dataclass(slots=True)
class Chain:
    """All variants, running on one stage."""

    stage: Stage
    report: Report
    variants: list[Variant] = field(default_factory=list)
    _before: dict[str, dict[str, float]] = field(default_factory=dict)
    requests: int = 0
    upstream: str = ""

    def start(self) -> None:
        stage = self.stage
        asyncio.run(keys.insert(stage.postgres.url, POPULATION))
        access_log = stage.directory / "access.jsonl"
        settings = stage.sidecar(access_log_file=access_log)
        self.upstream = upstream = envoys.start_upstream(stage)
        authz, ratelimit = settings.authz_socket, settings.ratelimit_socket
        url = envoys.start_ours(stage, "envoy", upstream, authz, ratelimit, access_log)
        ours = Variant(OURS, url, "envoy", ("authz", "ratelimit"), ("valkey", "postgres"))
        self.variants = [
            Variant(BARE, envoys.start_bare(stage, upstream), "envoy-bare"),
            self._static(upstream, authz, ratelimit),
            ours,
        ]

    def _static(self, upstream: str, authz: Path, ratelimit: Path) -> Variant:
        """As many processes as ours, which repeat answers that ours gave."""
        checked = rounds.ask(authz, CHECK, messages.check(POPULATION.secret(0)))
        reserved = rounds.ask(ratelimit, RESERVE, messages.after_check(checked))
        stage, log = self.stage, self.stage.directory / "static.jsonl"
        sockets: dict[str, Path] = {}
        files = [stage.write("check.answer", checked), stage.write("ratelimit.tenants.answer", reserved)]
        for name, method in (("static-authz", CHECK), ("static-ratelimit", RESERVE)):
            sockets[name] = socket = stage.directory / f"{name}.sock"
            ready = rounds.answers(socket, method, b"")
            environment = {"GRPC_EXPERIMENTS": GRPC_EXPERIMENTS}
            stage.baseline(name, "static_answers", socket, *files, ready=ready, environment=environment)
        authz, ratelimit = sockets.values()
        url = envoys.start_ours(stage, "envoy-static", upstream, authz, ratelimit, log)
        return Variant(STATIC, url, "envoy-static", tuple(sockets))

    def body(self) -> Path:
        return self.stage.write("body.json", json.dumps(BODY).encode())

    def before(self, variant: Variant) -> None:
        if variant.name == OURS:
            self._before = {name: self.stage.metrics(name) for name in ("authz", "ratelimit")}

    def after(self, variant: Variant, requests: int) -> None:
        """Waits until the ledger has every row, then checks every counter."""
        if variant.name != OURS:
            return
        before, self.requests = self._before, self.requests + requests
        wait_for(lambda: self._counted(before, ROWS) >= requests, "every row in the ledger")
        wait_for(lambda: self._counted(before, SETTLED) >= requests, "every lease settled")
        for service, outcome in (("authz", "allowed"), ("ratelimit", "fast")):
            now = decisions(self.stage.metrics(service), service)
            found = gained(decisions(before[service], service), now)
            self.report.check(f"{service} decisions", found, {outcome: requests})
        self.report.check("dropped", self._counted(before, DROPPED), 0)

    def end(self) -> None:
        """Checks the databases.  One lease stays open: the request behind the static answer never ended."""
        rows = "SELECT count(*)::text || ' ' || sum(input_tokens + output_tokens) FROM usage"
        tokens = messages.INPUT_TOKENS + messages.OUTPUT_TOKENS
        wanted = f"{self.requests} {self.requests * tokens}"
        self.report.check("requests and tokens in the ledger", self.stage.query(rows), wanted)
        self.report.check("leases left in Valkey", self.stage.leases(), 1)

    def _counted(self, before: Mapping[str, Mapping[str, float]], name: str) -> int:
        time.sleep(0.02)
        now = self.stage.metrics("ratelimit")
        return int(sum(now[key] - before["ratelimit"].get(key, 0) for key in now if key.startswith(name)))

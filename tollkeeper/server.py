"""Wiring: makes the objects of a process from its settings, and runs it.  No decision belongs here."""

import asyncio
import signal
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import structlog
from prometheus_client import CollectorRegistry

from serving.engine import open_engine
from serving.engine_metrics import EngineMetrics
from serving.health import Health
from serving.pauses import ShortPauses
from store.migrate import migrate
from tollkeeper.config import Settings
from tollkeeper.metrics_http import MetricsServer
from tollkeeper.plan import Worker, numbered
from tollkeeper.slices.shared import Shared
from tollkeeper.slices.table import Service, socket_of, wire

log = structlog.get_logger(__name__)

MIGRATION_SECONDS = 60.0
# What of the drain is left for the ledger once the engine has answered what it held.
FLUSH_SHARE = 0.5


def run_worker(settings: Settings, worker: Worker, metrics_socket: Path) -> None:
    """One process of the sidecar: serves until SIGTERM, then drains.  From the main thread."""
    with ExitStack() as stops:
        shared = Shared(settings, stops, worker.number)
        methods = [method for service in worker.services for method in wire(Service(service), shared)]
        health = Health({method.path.split("/")[1] for method in methods})
        observer = EngineMetrics([*methods, health.method])
        observer.register(shared.metrics)
        socket = numbered(socket_of(worker.group, settings), worker.number)
        addresses = [f"unix:{socket}", *([settings.grpc_listen] if worker.tcp else [])]
        engine = open_engine(settings.engine, [*methods, health.method], addresses, observer=observer)
        pauses = ShortPauses()
        shared.metrics.add(pauses.seconds)
        registry = CollectorRegistry()
        registry.register(shared.metrics)
        endpoint = MetricsServer(metrics_socket, registry, shared.readiness)
        stops.callback(endpoint.close)

        def drain(*_: object) -> None:
            health.set_all(False)
            engine.stop(settings.drain_seconds * (1 - FLUSH_SHARE))

        signal.signal(signal.SIGTERM, drain)
        signal.signal(signal.SIGINT, drain)
        health.set_all(True)
        pauses.begin()
        log.info("serving", services=worker.services, addresses=addresses)
        engine.serve()
    log.info("drained")


def run_admin(settings: Settings, admin_token: str) -> None:
    """The management API until SIGTERM; admin.server.CannotListen."""
    from admin.server import serve

    host, _, port = settings.admin_listen.rpartition(":")
    serve(
        host,
        int(port),
        database_url=settings.database_url,
        redis_url=settings.redis_url,
        admin_token=admin_token,
        cors_origins=[origin.strip() for origin in (settings.admin_cors_origins or "").split(",") if origin.strip()],
    )


def run_migrations(settings: Settings) -> list[str]:
    """The names of the migrations that were missing; store.migrate.NewerSchema, or what asyncpg raises."""

    async def run() -> list[str]:
        connection = await asyncpg.connect(settings.database_url, timeout=MIGRATION_SECONDS)
        try:
            return await migrate(connection)
        finally:
            await connection.close()

    return asyncio.run(run())

"""Wiring: makes the objects of a process from its settings, and runs it.  No decision belongs here."""

import signal
from contextlib import ExitStack

import structlog
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from serving.engine import open_engine
from serving.engine_metrics import EngineMetrics
from serving.guard import Guard
from serving.health import Health
from serving.metrics import Metrics, MetricSet
from serving.pauses import ShortPauses
from serving.process_metrics import process_gauges
from serving.store_metrics import StoreMetrics
from serving.tls import server_credentials
from tollkeeper.config import Settings
from tollkeeper.handover import ORPHAN_SECONDS, News, Place, file_of
from tollkeeper.logs import configure_logs
from tollkeeper.metrics_http import MetricsServer
from tollkeeper.plan import Worker, metrics_socket, numbered
from tollkeeper.routes import routes_of
from tollkeeper.slices.shared import Shared
from tollkeeper.slices.table import Service, load_services, socket_of, wire

log = structlog.get_logger(__name__)

# The part of the drain's time that is kept for the ledger, once the engine has answered what it held.
FLUSH_SHARE = 0.5
REPLACED_SECONDS = 0.5  # for what is held, if another process has the place: Envoy asks that one for the rest


def run_worker(settings: Settings, place: Place) -> None:
    """One process of the sidecar: prepares, waits for its place, serves until SIGTERM, then drains.  From the main
    thread."""
    with ExitStack() as stops:
        shared = Shared(settings, stops)
        load_services()
        routes_of(settings)
        shared.warm()
        pauses = ShortPauses()
        shared.metrics.add(pauses.seconds)
        pauses.begin()
        place.tell(News.READY)
        worker = place.wait()
        if worker is None:
            return
        configure_logs(settings.log_level, worker.name)
        _serve(shared, worker, place)
    log.info("drained")


def _serve(shared: Shared, worker: Worker, place: Place) -> None:
    settings, stops = shared.settings, shared.stops
    shared.begin(worker.number, worker.services, tcp=worker.tcp)
    methods = [method for service in worker.services for method in wire(Service(service), shared)]
    health = Health({method.path.split("/")[1] for method in methods})
    observer = EngineMetrics([*methods, health.method])
    observer.register(shared.metrics)
    socket = numbered(socket_of(worker.group, settings), worker.number)
    addresses, guard, tls = [f"unix:{socket}"], None, None
    if worker.tcp and settings.grpc_listen is not None:
        addresses.append(settings.grpc_listen)
        guard = Guard(settings.grpc_secrets, {health.method.path})
        tls = server_credentials(settings.grpc_tls_dir) if settings.grpc_tls_dir else None
    served = [*methods, health.method]
    engine = open_engine(settings.engine, served, addresses, observer=observer, takes_over=True, guard=guard, tls=tls)
    ours = file_of(socket)
    registry = CollectorRegistry()
    registry.register(shared.metrics)
    path, told = metrics_socket(settings, worker), (shared.readiness, shared.warnings, shared.all_learned)
    endpoint = MetricsServer(path, registry, *told)
    stops.callback(endpoint.close)

    def drain(*_: object) -> None:
        shared.leaving, replaced = True, file_of(socket) not in (ours, None)
        place.leaves()
        if replaced:
            shared.replaced.ring()
        health.set_all(False)
        grace = settings.drain_seconds * (1 - FLUSH_SHARE)
        engine.stop(min(grace, REPLACED_SECONDS) if replaced else grace)

    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGINT, drain)
    health.set_all(True)
    log.info("serving", services=worker.services, addresses=addresses)
    place.tell(News.SERVING)
    place.watch(
        socket,
        max(ORPHAN_SECONDS, settings.handover_seconds),
        lambda tell: engine.between_calls(lambda: shared.loop.call(tell)),
    )
    engine.serve()


def run_admin(settings: Settings, admin_token: str) -> None:
    """The management API until SIGTERM; admin.server.CannotListen, CannotListenError, BadCertificates."""
    from admin.commands.ports import Configured
    from admin.metrics import AdminMetrics
    from admin.server import serve
    from admin.tls import Certificates

    tls = Certificates(settings.admin_tls_dir, settings.admin_client_ca) if settings.admin_tls_dir else None
    metrics, stores = AdminMetrics(), StoreMetrics()
    if settings.admin_metrics_listen:
        _show_admin(settings.admin_metrics_listen, metrics, stores)
    host, _, port = settings.admin_listen.rpartition(":")
    serve(
        host,
        int(port),
        metrics=metrics,
        store_metrics=stores,
        database_url=settings.database_url,
        redis_url=settings.redis_url,
        ledger_url=settings.ledger_url,
        admin_token=admin_token,
        portal_secrets=portal_secrets(settings),
        configured=Configured(
            settings.default_rate_limit,
            portal_hosts(settings),
            settings.link_local_endpoints,
            settings.unregistered_models,
            webhook_secrets(settings),
            settings.local_webhooks,
            settings.currency,
            settings.issuer,
        ),
        cors_origins=[origin.strip() for origin in (settings.admin_cors_origins or "").split(",") if origin.strip()],
        others=settings.other_surfaces,
        tls=tls,
    )


def _show_admin(address: str, metrics: MetricSet, stores: StoreMetrics) -> None:
    """Serves them until the process ends."""
    own, registry = Metrics(), CollectorRegistry()
    own.add(*metrics.members(), *stores.members(), *process_gauges())
    registry.register(own)

    def readiness() -> dict[str, bool]:
        return {"serving": True, "credentials": not stores.stores.refused}

    MetricsServer(address, registry, readiness, lambda: stores.stores.warnings)


def portal_secrets(settings: Settings) -> list[str]:
    return _secrets(settings.portal_secret)


def webhook_secrets(settings: Settings) -> list[str]:
    return _secrets(settings.webhook_secret)


def _secrets(setting: SecretStr | None) -> list[str]:
    text = setting.get_secret_value() if setting else ""
    return [secret.strip() for secret in text.split(",") if secret.strip()]


def portal_hosts(settings: Settings) -> dict[str, str]:
    pairs = (each.partition("=") for each in (settings.portal_hosts or "").split(",") if each)
    return {name.strip(): value.strip() for name, _, value in pairs}

"""accesslog: settles what ended and writes the ledger.  Needs the budgets, the ledger, and ratelimit's count of what is
in flight; several processes of a sidecar tell each other what they saw.  The first also restores and audits budgets."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import structlog

from accesslog.entry import LogEntry
from accesslog.file_log.alone import Alone
from accesslog.leases.gone import GoneEnvoys
from accesslog.leases.living import LivingEnvoys
from accesslog.leases.watch import LOOK_SECONDS, LogWatch
from accesslog.metrics import AccessLogMetrics
from accesslog.pipeline import Pipeline
from accesslog.service import AccessLogService
from accesslog.siblings import Heard, News, Siblings, over_of
from accesslog.streams import Streams
from accesslog.trust import Trust
from accesslog.writing.denials import DenialWriter
from accesslog.writing.fence import Fence
from accesslog.writing.spool import SpoolInUse, adopt
from ledger.adapters import adapters_on
from ledger.row import UsageRow
from ratelimit.budgets.restoring_redis import RedisRestoring
from ratelimit.fleet.arrivals_redis import MAX_SERVICE, OVER, UNDECIDED
from ratelimit.fleet.envoys_redis import RedisEnvoys
from reconcile.books import Books
from reconcile.lost_jobs import LostJobs
from reconcile.metrics import ReconcileMetrics
from reconcile.reconciler import Pace, Reconciler
from serving.call import Method
from serving.process_metrics import own_version
from store.durability import durability_of
from store.postgres import PostgresPool, open_postgres
from store.redis import open_redis_async
from tenancy.postgres.census import PostgresCensus
from tenancy.postgres.key_uses import PostgresKeyUses
from tenancy.postgres.limits_in_force import PostgresLimitsInForce
from tenancy.values.seal import DECISION, DENIAL, LEASE, Seal
from tollkeeper.config import MEBIBYTE
from tollkeeper.plan import all_numbered, numbered
from tollkeeper.slices.learned import correction_rows, speed_rows
from tollkeeper.slices.shared import Shared

if TYPE_CHECKING:
    from redis import asyncio as aio

log = structlog.get_logger(__name__)

Observed: TypeAlias = Callable[[LogEntry, UsageRow], None]
FLUSH_SECONDS = 2.0  # for what is queued when the process ends
LATE_SECONDS = 900.0  # within which a row is in the ledger once its request has ended, if Postgres answers
REDIS_SECONDS = 1.0  # nothing waits for a settlement
FENCE_SECONDS = 10.0  # beyond the drain of a process that another has replaced
SUMS_SECONDS = 15.0  # those of a month of many tenants, which the roller may not have come to yet


def wire(shared: Shared) -> list[Method]:
    metrics = AccessLogMetrics()
    siblings = _siblings(shared, metrics)
    observed = _telemetry(shared, metrics)
    streams = Streams(time.time)
    pipeline = _pipeline(shared, metrics, siblings, observed, _alone(shared, streams))
    budgets = shared.budgets(REDIS_SECONDS)
    gone = GoneEnvoys(streams, shared.in_flight, budgets, siblings, lambda: shared.leaving)
    registry = RedisEnvoys(shared.redis)
    living = LivingEnvoys(registry, streams, shared.take_asked, shared.in_flight, gone, budgets, metrics)
    if siblings:
        heard: dict[News, Heard] = {
            News.OVER: partial(_end_each, shared),
            News.UNDECIDED: _each(shared.in_flight.end_undecided, shared.uploads.end_all, partial(_answered, shared)),
            News.ARRIVED: shared.uploads.end_all,
            News.DONE: pipeline.done_elsewhere,
            News.HERE: streams.heard,
            News.GONE: gone.told,
        }
        shared.arrived = lambda lease_id: siblings.arrived((lease_id,))
        shared.loop.spawn(siblings.run(heard), "siblings")
    shared.has_room = lambda: pipeline.has_room
    shared.speed_of = lambda model: pipeline.speeds.of(model).tokens_per_second
    shared.parts["room"] = shared.has_room  # otherwise all room for rows is used up, and every request would be refused
    shared.learned["corrections"] = lambda: correction_rows(shared.corrections)
    shared.learned["speeds"] = lambda: speed_rows(pipeline.speeds)
    watch = LogWatch(
        shared.settings.access_log_file,
        metrics,
        decided=lambda: shared.in_flight.entered,
        heard=lambda: shared.in_flight.heard,
        lines=lambda: pipeline.file_lines,
    )
    shared.warned += (lambda: pipeline.warnings, lambda: watch.warnings)
    shared.loop.spawn(_look(watch), "log watch")
    shared.metrics.add(*metrics.members())
    pipeline.start()
    shared.stops.callback(pipeline.close)
    if shared.number == 1:
        _reconcile(shared, pipeline)
    shared.stops.callback(budgets.close)
    shared.loop.spawn(gone.run(), "gone envoys")
    shared.loop.spawn(living.run(), "living envoys")
    denials = DenialWriter(adapters_on(shared.pool, shared.clickhouse).denials, metrics)
    shared.loop.spawn(denials.run(), "denials")
    seal = Seal(shared.seals.keys, DENIAL)
    traced = observed is not None
    return AccessLogService(pipeline, metrics, streams, seal, denials.offer, traced).methods()


def _telemetry(shared: Shared, metrics: AccessLogMetrics) -> Observed | None:
    """Imports telemetry only where it is switched on."""
    settings = shared.settings
    if settings.otlp_endpoint is None:
        return None
    from accesslog.telemetry.exporter import Exporter
    from accesslog.telemetry.otlp import Receiver
    from accesslog.telemetry.spans import Names

    instance = f"{socket.gethostname()}-{shared.number}"
    resource = {"service.name": "tollkeeper", "service.version": own_version(), "service.instance.id": instance}
    receiver = Receiver(settings.otlp_endpoint, settings.otlp_header_values, resource)
    exporter = Exporter(receiver, metrics, Names(settings.otlp_names))
    shared.loop.spawn(exporter.run(), "telemetry")
    shared.stops.callback(lambda: shared.loop.run(exporter.flush(), FLUSH_SECONDS))
    return exporter.offer


async def _look(watch: LogWatch) -> None:
    while True:
        watch.look(time.monotonic())
        await asyncio.sleep(LOOK_SECONDS)


def _alone(shared: Shared, streams: Streams) -> Alone | None:
    """Of several processes one would read the log for all, which Envoy's streams spread over them."""
    settings = shared.settings
    if settings.access_log != "file" or settings.access_log_file is None or settings.workers > 1:
        return None
    alone = Alone(streams.is_open)
    shared.logged_once = alone.tells
    return alone


def _pipeline(
    shared: Shared,
    metrics: AccessLogMetrics,
    siblings: Siblings | None,
    observed: Observed | None,
    alone: Alone | None,
) -> Pipeline:
    """The first process reads the file log for all of them, so it alone knows when orphans may be swept."""
    settings, first = shared.settings, shared.number == 1
    spools = all_numbered(settings.data_dir / "spool", settings.workers)
    if first:
        for left in set(settings.data_dir.glob("spool-*")) - set(spools):
            with suppress(SpoolInUse):  # its process ends: the next start takes it
                adopt(spools[0], left)
    keys, since = shared.seals
    trust = Trust(Seal(keys, DECISION), Seal(keys, LEASE), since, metrics)
    shared.warned.append(lambda: trust.warnings)
    return Pipeline(
        budgets=shared.budgets(REDIS_SECONDS),
        jobs=shared.jobs(REDIS_SECONDS),
        ledger=adapters_on(shared.pool, shared.clickhouse).ledger,
        prices=shared.catalog.price_list,
        key_uses=PostgresKeyUses(shared.pool),
        loop=shared.loop,
        metrics=metrics,
        sift=trust.sift,
        spool_dir=spools[shared.number - 1],
        checkpoint_file=settings.data_dir / "access-log-checkpoint.json",
        log_file=settings.access_log_file if first else None,
        alone=alone,
        log_keep_bytes=settings.access_log_keep_mb * MEBIBYTE,
        spool_max_bytes=settings.spool_max_mb * MEBIBYTE,
        fence=Fence(numbered(settings.ratelimit_socket, shared.number), settings.drain_seconds + FENCE_SECONDS),
        ended=_over(shared, siblings),
        freed=lambda owners: [tell(owners) for tell in shared.freed],
        undecided=_undecided(shared, siblings),
        done=siblings.done if siblings and settings.access_log_file and not first else None,
        sweeps=first,
        refunds=settings.undelivered == "refund",
        corrections=shared.corrections,
        observed=observed,
    )


def _reconcile(shared: Shared, pipeline: Pipeline) -> None:
    """On clients of its own: what it asks may take long, and nobody waits for it."""
    settings, metrics = shared.settings, ReconcileMetrics()

    async def open_stores() -> "tuple[PostgresPool, aio.Redis | aio.RedisCluster]":
        pool = open_postgres(settings.database_url, timeout=SUMS_SECONDS, size=2)
        return await pool, open_redis_async(settings.redis_url, timeout=REDIS_SECONDS)

    pool, redis = shared.loop.run(open_stores())
    shared.stops.callback(pool.terminate)
    shared.stops.callback(lambda: shared.loop.run(redis.aclose(), 5.0))
    restoring = RedisRestoring(redis)
    adapters = adapters_on(pool, shared.clickhouse, SUMS_SECONDS)
    books = Books(PostgresCensus(pool, SUMS_SECONDS), adapters.sums, restoring)
    pace = Pace(late=settings.lease_seconds + LATE_SECONDS)
    jobs = LostJobs(
        adapters.jobs,
        PostgresLimitsInForce(pool),
        shared.catalog.prices,
        pipeline.hold_again,
        timedelta(hours=settings.job_hours),
        groups=restoring.spans_owners,
    )
    reconciler = Reconciler(books, restoring, partial(durability_of, redis), metrics, pace, jobs)
    shared.metrics.add(*metrics.members())
    shared.parts["budgets"] = lambda: not reconciler.lost
    shared.warned.append(lambda: reconciler.warnings)
    shared.loop.spawn(reconciler.run(), "reconciler")
    shared.stops.callback(shared.loop.cancel_tasks)


def _siblings(shared: Shared, metrics: AccessLogMetrics) -> Siblings | None:
    """The other processes that take log entries for the same Envoy, if there are any."""
    settings = shared.settings
    if settings.workers == 1:
        return None
    sockets = all_numbered(settings.ratelimit_socket.parent / "siblings.sock", settings.workers)
    return Siblings(sockets, shared.number, metrics)


def _each(*told: Heard) -> Heard:
    def tell(lease_ids: Iterable[str]) -> None:
        ids = list(lease_ids)
        for each in told:
            each(ids)

    return tell


def _answered(shared: Shared, lease_ids: Iterable[str]) -> None:
    for lease_id in lease_ids:
        shared.answered(lease_id)


def _end_each(shared: Shared, items: Iterable[str]) -> None:
    for item in items:
        _end(shared, *over_of(item))


def _end(shared: Shared, lease_id: str, service: int | None) -> None:
    shared.in_flight.end(lease_id, service)
    shared.uploads.end(lease_id)
    shared.answered(lease_id)


def _over(shared: Shared, siblings: Siblings | None) -> Callable[[str, int | None], None]:
    """What is told of each request that is over."""

    def over(lease_id: str, service: int | None) -> None:
        if not shared.in_flight.knows(lease_id):
            shared.tell_sidecars(lease_id, OVER if service is None else min(service, MAX_SERVICE))
        _end(shared, lease_id, service)
        shared.body_came(lease_id)
        if siblings is not None:
            siblings.over(lease_id, service)

    return over


def _undecided(shared: Shared, siblings: Siblings | None) -> Callable[[str], None]:
    """What is told of each request that ended before its decision reached Envoy."""

    def undecided(lease_id: str) -> None:
        shared.in_flight.end_undecided((lease_id,))
        shared.uploads.leave(lease_id, time.time_ns() // 1_000_000)
        if not shared.body_came(lease_id):
            shared.tell_sidecars(lease_id, UNDECIDED)
        shared.answered(lease_id)
        if siblings is not None:
            siblings.undecided((lease_id,))

    return undecided

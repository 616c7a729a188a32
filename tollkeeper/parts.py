"""The parts of a sidecar process, each made once, when the first service asks for it.  Wiring only."""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property, partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from accesslog.metrics import AccessLogMetrics
from accesslog.pipeline import Pipeline
from accesslog.service import AccessLogService
from accesslog.siblings import News, Siblings
from accesslog.spool import adopt
from authz.metrics import AuthzMetrics
from authz.service import AuthzService, prepare
from ledger.postgres.ledger import PostgresLedger
from ratelimit.budgets.redis import RedisBudgets
from ratelimit.commit.fallback import FailureMode, Fallback
from ratelimit.commit.group_commit import GroupCommit
from ratelimit.fleet.reporter import Identity, Reporter
from ratelimit.fleet.reports_redis import RedisReports, ended_leases
from ratelimit.in_flight import InFlight
from ratelimit.metrics import RatelimitMetrics
from ratelimit.service import RatelimitService, wall_clock_ms
from serving.call import Method
from serving.loop import LoopThread
from serving.metrics import Metrics
from store.postgres import open_postgres
from store.redis import is_cluster, open_redis, open_redis_async
from tenancy.metrics import TenancyMetrics
from tenancy.outbox import keep_applying
from tenancy.postgres.capacity import load_capacity
from tenancy.postgres.catalog import PostgresModelSource
from tenancy.postgres.records import PostgresRecordSource
from tenancy.redis.capacity import put_capacity
from tenancy.redis.catalog import RedisModelCache
from tenancy.redis.invalidation import Listener, listen
from tenancy.redis.records import RedisRecordCache
from tenancy.resolving.catalog import ModelCatalog, ModelState
from tenancy.resolving.process_cache import Lifetimes, ProcessCache
from tenancy.resolving.refresh import keep_fresh
from tenancy.resolving.resolver import Resolver
from tollkeeper.config import Settings
from tollkeeper.plan import all_numbered

if TYPE_CHECKING:
    import asyncpg
    from redis import asyncio as aio

RESOLVER_REDIS_SECONDS = 0.1
SETTLE_REDIS_SECONDS = 1.0  # nobody waits for a settlement


class Parts:
    """Of the `number`th process of its kind.  Whatever is made is ended by `stops`, in reverse order."""

    def __init__(self, settings: Settings, stops: ExitStack, number: int) -> None:
        self._settings, self._stops, self._number = settings, stops, number
        self.metrics = Metrics()
        self.loop = LoopThread()
        stops.callback(self.loop.close)
        self.pool, self.redis = self.loop.run(self._open())
        stops.callback(lambda: self.loop.run(self._close(), 5.0))
        stops.callback(self.loop.cancel_tasks)
        self._tenancy_metrics = TenancyMetrics()
        self.metrics.add(*self._tenancy_metrics.members())
        self.in_flight = InFlight()
        self._listeners: list[Listener] = [self.resolver, self.catalog]
        self.loop.spawn(listen(settings.redis_url, self._listeners, self._tenancy_metrics), "invalidations")
        self.loop.spawn(self.catalog.run(), "model catalog")
        self.loop.spawn(keep_applying(self.pool, self.redis, self._tenancy_metrics), "outbox")

    def methods(self, service: str) -> list[Method]:
        """What `service` (authz, ratelimit, accesslog) serves."""
        made = {"authz": self._authz, "ratelimit": self._ratelimit, "accesslog": self._accesslog}
        return made[service]()

    def readiness(self) -> Mapping[str, bool]:
        """Not ready: no store has answered for a minute, or never yet, so every request would be refused."""
        return {"serving": True, "stores": self.catalog.check("") is not ModelState.UNAVAILABLE}

    @cached_property
    def resolver(self) -> Resolver[bytes]:
        lifetimes = Lifetimes(fresh=self._settings.cache_seconds, stale=self._settings.stale_seconds)
        cache: ProcessCache[bytes] = ProcessCache(self._settings.cache_entries, lifetimes=lifetimes)
        shared = RedisRecordCache(self.redis)
        timeout = self._settings.postgres_timeout_ms / 1000
        records = PostgresRecordSource(self.pool, timeout)
        resolver = Resolver(records, shared, prepare, self._tenancy_metrics, cache=cache)
        self._stops.callback(lambda: self.loop.run(resolver.close(), 5.0))
        self.loop.spawn(keep_fresh(cache, shared), "key refresh")
        return resolver

    @cached_property
    def catalog(self) -> ModelCatalog:
        return ModelCatalog(PostgresModelSource(self.pool), RedisModelCache(self.redis))

    @cached_property
    def _accesslog_metrics(self) -> AccessLogMetrics:
        return AccessLogMetrics()

    @cached_property
    def pipeline(self) -> Pipeline:
        settings, metrics, siblings, first = self._settings, self._accesslog_metrics, self._siblings, self._number == 1
        spools = all_numbered(settings.data_dir / "spool", settings.workers)
        if first:
            for left in set(settings.data_dir.glob("spool-*")) - set(spools):
                adopt(spools[0], left)
        pipeline = Pipeline(
            budgets=self._budgets(SETTLE_REDIS_SECONDS),
            ledger=PostgresLedger(self.pool),
            loop=self.loop,
            metrics=metrics,
            spool_dir=spools[self._number - 1],
            checkpoint_file=settings.data_dir / "access-log-checkpoint.json",
            log_file=settings.access_log_file if first else None,  # one reads it for all
            spool_max_bytes=settings.spool_max_bytes,
            ended=self._ended,
            done=siblings.done if siblings and settings.access_log_file and not first else None,
            sweeps=first,  # it knows when the file log has been read
        )
        self.metrics.add(*metrics.members())
        if siblings:
            heard = {News.OVER: self.in_flight.leave_all, News.DONE: pipeline.done_elsewhere}
            self.loop.spawn(siblings.run(heard), "siblings")
        pipeline.start()
        self._stops.callback(pipeline.close)
        return pipeline

    @cached_property
    def _siblings(self) -> Siblings | None:
        """The other processes that take log entries for the same Envoy, if there are any."""
        if self._settings.workers == 1:
            return None
        sockets = all_numbered(self._settings.ratelimit_socket.parent / "siblings.sock", self._settings.workers)
        return Siblings(sockets, self._number, self._accesslog_metrics)

    def _ended(self, lease_id: str) -> None:
        self.in_flight.leave(lease_id)
        if self._siblings is not None:
            self._siblings.over((lease_id,))

    def _authz(self) -> list[Method]:
        metrics = AuthzMetrics()
        self.metrics.add(*metrics.members())
        return AuthzService(self.resolver, self.loop, metrics).methods()

    def _ratelimit(self) -> list[Method]:
        settings, metrics = self._settings, RatelimitMetrics()
        timeout = settings.redis_timeout_ms / 1000
        budgets = self._budgets(timeout)
        fallback = Fallback(FailureMode(settings.failure_mode), wall_clock_ms)
        committer = GroupCommit(budgets, budgets.ping, fallback, metrics)
        committer.start()
        self._stops.callback(committer.close)
        metrics.watch("leases_in_flight", "Admitted and not ended yet", lambda: float(len(self.in_flight)))
        self.metrics.add(*metrics.members())
        self._report(committer, metrics)
        service = RatelimitService(
            committer,
            self.catalog,
            metrics,
            default_output_tokens=settings.default_max_tokens,
            in_flight=self.in_flight,
            groups=not is_cluster(settings.redis_url),
            policies=settings.cache_entries,
        )
        return [*service.methods()]

    def _report(self, committer: GroupCommit, metrics: RatelimitMetrics) -> None:
        """Starts the reports of this process: the one that serves ratelimit is what an operator calls a sidecar."""

        async def restore() -> None:
            await put_capacity(self.redis, await load_capacity(self.pool, self._settings.postgres_timeout_ms / 1000))

        reporter = Reporter(
            Identity.make(version("tollkeeper")),
            RedisReports(self.redis),
            self.in_flight,
            metrics,
            available=lambda: committer.available,
            gone=partial(ended_leases, self.redis),
            restore=restore,
            lease_seconds=self._settings.lease_seconds,
        )
        self._listeners.append(reporter)
        self.loop.spawn(reporter.run(), "reports")

    def _budgets(self, timeout: float) -> RedisBudgets:
        """On a client of its own: a settlement may take longer than a reservation."""
        settings = self._settings
        return RedisBudgets(
            lambda: open_redis(settings.redis_url, timeout=timeout), settings.lease_seconds, timeout=timeout
        )

    def _accesslog(self) -> list[Method]:
        pipeline = self.pipeline
        return AccessLogService(pipeline, self._accesslog_metrics).methods()

    async def _open(self) -> "tuple[asyncpg.Pool[asyncpg.Record], aio.Redis | aio.RedisCluster]":
        pool = open_postgres(self._settings.database_url, timeout=self._settings.postgres_timeout_ms / 1000)
        return await pool, open_redis_async(self._settings.redis_url, timeout=RESOLVER_REDIS_SECONDS)

    async def _close(self) -> None:
        await self.redis.aclose()
        self.pool.terminate()

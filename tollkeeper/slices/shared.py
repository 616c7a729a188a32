"""What the slices of one process share: the stores, the catalog of models, metrics, the background loop.

What only one slice uses belongs to its own file.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

from ratelimit.budgets.jobs_redis import RedisJobs
from ratelimit.budgets.keys import epoch_keys
from ratelimit.budgets.redis import RedisBudgets
from ratelimit.fairness.floor import Terms
from ratelimit.fleet.identity import Identity
from ratelimit.in_flight import InFlight
from ratelimit.scheduler import Scheduler
from ratelimit.tenants.estimates.corrections import Corrections
from ratelimit.uploads import Uploads
from serving.bell import Bell
from serving.loop import LoopThread
from serving.metrics import Metrics
from serving.process_metrics import own_version, process_gauges
from serving.store_metrics import StoreMetrics
from store.clickhouse import Clickhouse
from store.postgres import PostgresPool, open_postgres
from store.redis import is_cluster, open_redis, open_redis_async
from store.watch import probes
from tenancy.metrics import TenancyMetrics
from tenancy.outbox import keep_applying
from tenancy.postgres.catalog import PostgresModelSource
from tenancy.redis.catalog import RedisModelCache
from tenancy.redis.invalidation import Listener, listen
from tenancy.resolving.catalog import ModelCatalog, ModelState
from tollkeeper.config import MEBIBYTE, Settings
from tollkeeper.seal_key import seal_keys

if TYPE_CHECKING:
    from redis import asyncio as aio

WARM_SECONDS = 5.0
REDIS_SECONDS = 0.1  # for what is asked on the background loop

Row = Mapping[str, str | float | None]


class Shared:
    """Of one process, the `number`th of its group once it has begun.  Whatever is made ends with `stops`, in reverse
    order.

    `in_flight` and `uploads` are counted in by ratelimit and counted out by accesslog; `corrections` are learned by
    accesslog and used by ratelimit.  `listeners` hear of changes of tenants, keys and models; `freed`, from any thread,
    of the owners whose leases have just been settled.  `parts` are what must be ready, `warned` what should be seen to,
    `learned` what this process has learned: the rows of tables, by the table's name."""

    def __init__(self, settings: Settings, stops: ExitStack) -> None:
        self.settings, self.stops, self.number = settings, stops, 0
        self.services: Sequence[str] = ()
        self.tcp = False  # it answers over TCP
        self.seals = seal_keys(settings.data_dir, settings.grpc_secrets)
        self.postgres_seconds = settings.postgres_timeout_ms / 1000
        self.metrics = Metrics()
        self.loop = LoopThread()
        stops.callback(self.loop.close)
        self.pool, self.redis, self.clickhouse = self.loop.run(self._open())
        stops.callback(lambda: self.loop.run(self._close(), 5.0))
        stops.callback(self.loop.cancel_tasks)
        self.tenancy_metrics = TenancyMetrics()
        self.metrics.add(*self.tenancy_metrics.members())
        terms = Terms(settings.queue_seconds, settings.max_queued, settings.max_queued_per_tenant)
        self.in_flight = InFlight(scheduler=Scheduler(terms, by_user=settings.fair_users))
        self.speed_of: Callable[[str], float] = lambda model: 0.0  # tokens a second; set by accesslog
        self.endpoints: Mapping[str, Mapping[str, bool]] = {}  # health by model and URL; set by ratelimit
        self.leaving = False  # it drains
        self.replaced = Bell()  # because another process has its place
        self.has_room: Callable[[], bool] = lambda: True  # for the account of new requests; set by accesslog
        self.uploads = Uploads(settings.uploads_max_mb * MEBIBYTE, settings.workers)
        self.corrections = Corrections()
        self.catalog = ModelCatalog(
            PostgresModelSource(self.pool), RedisModelCache(self.redis), others=settings.unregistered_models
        )
        self.body_came: Callable[[str], bool] = lambda _lease_id: False  # tells authz; set by ratelimit
        self.body_began_here: Callable[[str], bool] = lambda _lease_id: False  # set by authz, if it is in this process
        self.logged_once: Callable[[str], bool] = lambda _lease_id: False  # by the file alone; set by accesslog
        self.tell_sidecars: Callable[[str, int], None] = lambda _lease_id, _what: None  # of what began elsewhere
        self.arrived: Callable[[str], None] = lambda _lease_id: None  # tells siblings of a body; set by accesslog
        self.listeners: list[Listener] = [self.catalog]
        self.answered: Callable[[str], None] = lambda _lease_id: None  # tells the cache of an end; set by ratelimit
        self.asked: set[str] = set()  # Envoys that have, by name
        self.freed: list[Callable[[Sequence[str]], None]] = []
        self.parts: dict[str, Callable[[], bool]] = {"stores": self._stores_answer}
        store_metrics = StoreMetrics()
        self.stores = store_metrics.of(probes(self.redis, self.pool, self.clickhouse))
        self.parts["credentials"] = lambda: not self.stores.refused  # else no store will ever take them
        self.warned: list[Callable[[], Sequence[str]]] = [lambda: self.stores.warnings]
        self.metrics.add(*store_metrics.members(), *process_gauges())
        self.learned: dict[str, Callable[[], list[Row]]] = {}
        self.loop.spawn(listen(settings.redis_url, self.listeners, self.tenancy_metrics), "invalidations")
        self.loop.spawn(self.catalog.run(), "model catalog")
        self.loop.run(self.stores.look())
        self.loop.spawn(self.stores.run(), "store watch")

    def warm(self) -> None:
        """Waits until models and prices are known, unless the stores are away."""
        deadline = time.monotonic() + WARM_SECONDS
        while self.catalog.check("") is ModelState.UNAVAILABLE and time.monotonic() < deadline:
            time.sleep(0.01)

    def begin(self, number: int, services: Sequence[str], *, tcp: bool) -> None:
        """It works from now on; until then it only knew."""
        self.number, self.services, self.tcp = number, services, tcp
        self.loop.spawn(keep_applying(self.pool, self.redis, self.tenancy_metrics), "outbox")

    @cached_property
    def identity(self) -> Identity:
        return Identity.make(own_version())

    def take_asked(self) -> set[str]:
        """The Envoys that have asked ratelimit since the last call."""
        asked, self.asked = self.asked, set()
        return asked

    def readiness(self) -> Mapping[str, bool]:
        return {"serving": True, **{name: ready() for name, ready in self.parts.items()}}

    def warnings(self) -> list[str]:
        return [text for each in self.warned for text in each()]

    def all_learned(self) -> dict[str, list[Row]]:
        return {name: rows() for name, rows in self.learned.items()}

    def _stores_answer(self) -> bool:
        """Whether a store answers.  If none has for a minute, or ever, every request would be refused."""
        return self.catalog.check("") is not ModelState.UNAVAILABLE

    def budgets(self, timeout: float) -> RedisBudgets:
        """On a client of its own: a settlement may take longer than a reservation."""
        settings = self.settings
        return RedisBudgets(
            lambda: open_redis(settings.redis_url, timeout=timeout),
            settings.lease_seconds,
            timeout=timeout,
            epoch=self._epoch,
        )

    @property
    def _epoch(self) -> str:
        return "" if is_cluster(self.settings.redis_url) else epoch_keys(by_owner=False)[0]

    def jobs(self, timeout: float) -> RedisJobs:
        settings = self.settings
        return RedisJobs(
            lambda: open_redis(settings.redis_url, timeout=timeout), settings.job_hours * 3600, self._epoch
        )

    async def _open(self) -> "tuple[PostgresPool, aio.Redis | aio.RedisCluster, Clickhouse | None]":
        settings = self.settings
        pool = open_postgres(settings.database_url, timeout=self.postgres_seconds)
        clickhouse = Clickhouse(settings.ledger_url) if settings.ledger_url else None
        return await pool, open_redis_async(settings.redis_url, timeout=REDIS_SECONDS), clickhouse

    async def _close(self) -> None:
        await self.redis.aclose()
        self.pool.terminate()
        if self.clickhouse is not None:
            await self.clickhouse.aclose()

"""Reports every second what this process has in flight, and adopts the bound that it is given.  On the background loop.

While Redis is away the last bound stays in force.  What is reported is made here; where it goes, in reports_redis.py.
"""

import asyncio
import os
import random
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import structlog

from ratelimit.fleet.report import MAX_GROUPS, MAX_TENANTS, GroupLoad, ModelLoad, Report, TenantLoad, Told
from ratelimit.fleet.reports_redis import RedisReports
from ratelimit.fleet.served import Exchange, LatelyServed
from ratelimit.in_flight import InFlight
from ratelimit.life import Life
from ratelimit.metrics import ADMITTED, RatelimitMetrics
from ratelimit.roll import Running, by_group, most
from ratelimit.scheduler import ALL, OWN, UNBOUNDED, Bound, Served
from store.redis import UNAVAILABLE
from tenancy.directory.capacity import Capacity
from tenancy.resolving.records import StoreUnavailable
from tenancy.values.invalidation import INVALIDATE_ALL, INVALIDATE_CAPACITY

log = structlog.get_logger(__name__)

REPORT_SECONDS = 1.0
BEGIN_SECONDS = 2.0
WAITING_SECONDS = 0.1  # while more room is due: the others give theirs up with their next report
SHORT_SECONDS = 0.25  # while requests are refused for want of room
RESTORE_SECONDS = 15.0  # between attempts to bring a lost copy of the capacity back
YOUNG_MS = 1_000  # its lease may not be there yet
DOUBT_MS = 30_000  # requests in flight for longer are looked up: their end may have been seen by another process
MAX_EXCHANGED = 500  # tenants of whom one report tells what they were served
DOUBTS = 500  # looked up in one round


@dataclass(frozen=True, slots=True)
class Identity:
    """Who reports: it does not change while the process runs."""

    sidecar: str
    host: str
    version: str
    started_at: str

    @staticmethod
    def make(version: str) -> "Identity":
        """An id of its own for each process: one that was restarted is another sidecar."""
        host = socket.gethostname()[:63]
        started_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Identity(f"{host}-{os.getpid()}-{secrets.token_hex(3)}", host, version, started_at)


def bound_of(capacity: Capacity, share: int | None) -> Bound:
    """The tighter of this sidecar's own bound and of its share of the bound on all."""
    own = UNBOUNDED if capacity.max_in_flight is None else capacity.max_in_flight
    if share is not None and share < own:
        return Bound(share, ALL)
    return Bound(own, OWN)


class Reporter:
    """`gone` says which of the given leases (id → tenant) no longer exist; `restore` puts the capacity's copy back into
    Redis.  Both run on the loop, and raise StoreUnavailable or what store.redis.UNAVAILABLE lists.

    Requests admitted without a lease (failure modes) count for DOUBT_MS after Redis is back.  `models`: what is to be
    said of them."""

    def __init__(
        self,
        identity: Identity,
        reports: RedisReports,
        in_flight: InFlight,
        metrics: RatelimitMetrics,
        *,
        available: Callable[[], bool],
        queued: Callable[[], int],
        gone: Callable[[dict[str, str]], Awaitable[list[str]]],
        restore: Callable[[], Awaitable[object]],
        lease_seconds: float,
        models: Callable[[], tuple[ModelLoad, ...]] = tuple,
    ) -> None:
        self._identity, self._reports, self._in_flight, self._metrics = identity, reports, in_flight, metrics
        self._available, self._queued, self._gone, self._restore = available, queued, gone, restore
        self._models = models
        self._lease_ms = int(lease_seconds * 1000)
        self._capacity = Capacity(version=0)
        self._refused = 0
        self._restore_at = 0.0
        self._wake = asyncio.Event()
        self._lately, self._exchange = LatelyServed(), Exchange(MAX_EXCHANGED)
        self._told: Served = {}

    def subscribed(self) -> None:
        """Changes may have been missed until now."""
        self._wake.set()

    def invalidate(self, message: str) -> None:
        """A message of the invalidation channel."""
        if message in (INVALIDATE_CAPACITY, INVALIDATE_ALL):
            self._wake.set()

    async def begin(self) -> None:
        """Before the first request: forgets what earlier processes had in flight and is over, and learns the bounds.
        Does not raise; what cannot be learned now comes with the first reports."""
        try:
            async with asyncio.timeout(BEGIN_SECONDS):
                await self.forget_gone()
                await self.report()
        except (*UNAVAILABLE, StoreUnavailable) as error:
            log.warning("the bounds are not known yet", error=f"{type(error).__name__}: {error}")

    async def forget_gone(self) -> None:
        """What has no lease any more leaves flight at once, and not only when it is in doubt."""
        now_ms = time.time_ns() // 1_000_000
        await self._forget_gone(self._in_flight.older_than(now_ms - YOUNG_MS))

    async def run(self) -> None:
        """Until cancelled; then the report is taken back."""
        failing = False
        try:
            while True:
                self._wake.clear()  # before reporting: a change meanwhile causes another report
                seconds = REPORT_SECONDS
                try:
                    seconds = await self.report()
                    failing = False
                except (*UNAVAILABLE, StoreUnavailable) as error:
                    if not failing:  # once an outage, not once a round
                        log.warning("cannot report", error=f"{type(error).__name__}: {error}")
                    failing = True
                except Exception:  # the top of a background task
                    self._metrics.failures.add()
                    log.exception("cannot report")
                await self._wait(seconds)
        finally:
            await self._withdraw()

    async def report(self) -> float:
        """One round: seconds until the next."""
        await self._forget_ended()
        refused = self._in_flight.refused
        short = refused > self._refused or self._in_flight.waiting > 0
        self._refused = refused
        told = await self._reports.leave(self._report(), short=short, served=self._take_served())
        self._hear(told)
        if self._apply(told):
            await self._reports.leave(self._report(), short=short)  # so that it says what holds now
        if told.capacity is None and time.monotonic() >= self._restore_at:
            self._restore_at = time.monotonic() + RESTORE_SECONDS
            await self._restore()
        if told.waiting:
            return WAITING_SECONDS
        return SHORT_SECONDS if short and told.share is not None else REPORT_SECONDS

    def _take_served(self) -> Served:
        served = self._in_flight.take_served()
        self._lately.add(served, time.monotonic())
        self._exchange.add(served)
        self._told = self._exchange.to_tell(
            {(each.policy.fairshare_group, each.policy.tenant_id): 0 for each in self._in_flight.tenants()}
        )
        return self._told

    def _hear(self, told: Told) -> None:
        elsewhere = self._exchange.heard(self._told, told.totals, told.period)
        if elsewhere:
            self._in_flight.served_elsewhere(elsewhere)

    def _apply(self, told: Told) -> bool:
        """Whether that changed the bound.  A copy that Redis lost changes nothing."""
        if told.capacity is None:
            return False
        bound = bound_of(told.capacity, told.share)
        changed = bound != self._in_flight.bound or told.capacity.version != self._capacity.version
        self._in_flight.bound, self._capacity = bound, told.capacity
        return changed

    def _report(self) -> Report:
        tenants, bound, counts = self._in_flight.tenants(), self._in_flight.bound, self._metrics.decisions.counts
        now_ms, since = time.time_ns() // 1_000_000, self._in_flight.waiting_since()
        waits = {tenant_id: (now_ms - since_ms) / 1000 for tenant_id, since_ms in since.items()}
        admitted = sum(counts[outcome] for outcome in ADMITTED)
        return Report(
            **asdict(self._identity),
            in_flight=len(self._in_flight),
            queued=self._queued(),
            max_in_flight=None if bound.most == UNBOUNDED else int(bound.most),
            bound_by=bound.name,
            capacity_version=self._capacity.version,
            admitted=admitted,
            refused=sum(counts.values()) - admitted,
            refused_capacity=self._in_flight.refused,
            redis_available=self._available(),
            tenants_in_flight=len(tenants),
            tenants=tuple(self._load(tenant, waits) for tenant in most(tenants, MAX_TENANTS)),
            groups=self._groups(tenants, waits),
            models=self._models(),
        )

    def _load(self, tenant: Running, waits: Mapping[str, float]) -> TenantLoad:
        policy, served = tenant.policy, self._lately.of_tenant(tenant.policy.fairshare_group, tenant.policy.tenant_id)
        about = policy.tenant_id, policy.fairshare_group, policy.weight
        return TenantLoad(*about, tenant.count, tenant.queued, served, waits.get(policy.tenant_id, 0.0))

    def _groups(self, tenants: Sequence[Running], waits: Mapping[str, float]) -> tuple[GroupLoad, ...]:
        served, oldest = self._lately.of_groups(), dict[str, float]()
        for tenant in tenants:
            group = tenant.policy.fairshare_group
            oldest[group] = max(oldest.get(group, 0.0), waits.get(tenant.policy.tenant_id, 0.0))
        return tuple(
            GroupLoad(name, count, queued, None, served.get(name, 0), oldest[name])
            for name, count, queued in by_group(tenants)[:MAX_GROUPS]
        )

    async def _forget_ended(self) -> None:
        """Requests whose end was not seen here: past their lease's time, or settled by another process."""
        now_ms = time.time_ns() // 1_000_000
        self._in_flight.expire_before(now_ms - self._lease_ms)
        doubtful = self._in_flight.older_than(now_ms - DOUBT_MS)
        await self._forget_gone(random.sample(doubtful, min(DOUBTS, len(doubtful))))  # each has its turn

    async def _forget_gone(self, lives: Sequence[Life]) -> None:
        for start in range(0, len(lives), DOUBTS):
            some = {life.lease_id: life.policy.tenant_id for life in lives[start : start + DOUBTS]}
            self._in_flight.end_all(await self._gone(some))

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _withdraw(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._reports.withdraw(self._identity.sidecar)
        except UNAVAILABLE:
            log.info("the last report could not be taken back; it expires")

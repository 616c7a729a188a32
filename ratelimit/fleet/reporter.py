"""Reports every second what this process has in flight, and adopts the bound that it is given.  On the background loop.

While Redis is away the last bound stays in force.  What is reported is made in composer.py; where it
goes, in reports_redis.py.  The one that leads also spreads the bounds on all sidecars over them (spreading.py).
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import structlog

from ratelimit.fairness.pools import UNBOUNDED
from ratelimit.fleet.composer import Composer
from ratelimit.fleet.gap import gap_of
from ratelimit.fleet.identity import Identity
from ratelimit.fleet.report import TTL_SECONDS, ModelLoad, Told
from ratelimit.fleet.reports_redis import RedisReports
from ratelimit.fleet.rooms import Rooms
from ratelimit.fleet.served import Exchange
from ratelimit.fleet.spreading import ALL as EVERYTHING
from ratelimit.fleet.spreading import Bounds, Spreading
from ratelimit.in_flight import InFlight
from ratelimit.life import Life
from ratelimit.metrics import RatelimitMetrics
from ratelimit.roll import Running
from ratelimit.scheduler import ALL, OWN, Bound, Served
from store.redis import UNAVAILABLE
from tenancy.directory.capacity import Capacity
from tenancy.resolving.records import StoreUnavailable
from tenancy.values.invalidation import INVALIDATE_ALL, INVALIDATE_CAPACITY

log = structlog.get_logger(__name__)

REPORT_SECONDS = 1.0
BEGIN_SECONDS = 2.0
LEAST_SECONDS = 0.05  # minimum between two reports
WAITING_SECONDS = 0.1  # while more room is due: the others give theirs up with their next reports
SHORT_SECONDS = 0.25  # while requests are refused for want of room
RESTORE_SECONDS = 15.0  # between attempts to bring a lost copy of the capacity back
YOUNG_MS = 1_000  # entered within this time: its lease may not be there yet
DOUBT_MS = 30_000  # requests in flight for longer are looked up: their end may have been seen by another process
MAX_EXCHANGED = 500  # tenants whose service one report carries
DOUBTS = 500  # looked up in one round


def bound_of(capacity: Capacity, share: int | None) -> Bound:
    """The tighter bound: this sidecar's own, or its share of the bound on all sidecars."""
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._identity, self._reports, self._in_flight, self._metrics = identity, reports, in_flight, metrics
        self._gone, self._restore, self._clock = gone, restore, clock
        self._lease_ms = int(lease_seconds * 1000)
        self._composer = Composer(
            identity, in_flight, metrics, available=available, queued=queued, models=models, clock=clock
        )
        self._exchange, self._rooms, self._spreading = Exchange(MAX_EXCHANGED), Rooms(clock), Spreading()
        self._capacity = Capacity(version=0)
        self._refused = 0
        self._restore_at = 0.0
        self._wake = asyncio.Event()
        self._heard_at, self._is_shared = clock(), False
        self._shares: Mapping[str, int] | None = None

    def subscribed(self) -> None:
        """The subscription is open again: changes may have been missed before."""
        self._wake.set()

    def invalidate(self, message: str) -> None:
        """Handles a message of the invalidation channel."""
        if message in (INVALIDATE_CAPACITY, INVALIDATE_ALL):
            self._wake.set()

    @property
    def bounds(self) -> Mapping[str, float]:
        """The bounds on requests in flight that operators set, by name; infinite if there is none."""
        found = {OWN: self._capacity.max_in_flight, ALL: self._capacity.max_in_flight_total}
        return {name: UNBOUNDED if most is None else most for name, most in found.items()}

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
        """Removes requests whose leases have ended at once, not only after DOUBT_MS."""
        now_ms = time.time_ns() // 1_000_000
        await self._forget_gone(self._in_flight.older_than(now_ms - YOUNG_MS))

    async def run(self) -> None:
        """Runs until cancelled; then the report is withdrawn."""
        failing, sharing = False, self._in_flight.sharing
        sharing.wake = partial(self._wanted, asyncio.get_running_loop())
        try:
            while True:
                self._wake.clear()  # before reporting: a change meanwhile causes another report
                seconds = REPORT_SECONDS
                try:
                    seconds = await self.report()
                    failing = False
                except (*UNAVAILABLE, StoreUnavailable) as error:
                    if not failing:  # log once an outage, not once a round
                        log.warning("cannot report", error=f"{type(error).__name__}: {error}")
                    failing = True
                    self._alone()
                except Exception:  # the top of a background task
                    self._metrics.failures.add()
                    log.exception("cannot report")
                await self._wait(seconds)
        finally:
            sharing.wake = lambda: None
            await self._withdraw()

    def _wanted(self, loop: asyncio.AbstractEventLoop) -> None:
        """Reports soon, because more room is wanted.  Thread-safe."""
        if self._is_shared:
            loop.call_soon_threadsafe(self._wake.set)

    async def report(self) -> float:
        """One round; returns the seconds until the next."""
        await self._forget_ended()
        sharing, refused = self._in_flight.sharing, self._in_flight.refused
        short = refused > self._refused or self._in_flight.waiting > 0
        self._refused = refused
        tenants, demands = self._in_flight.tenants(), sharing.demands()
        asked, served = self._rooms.asked(sharing.rooms, demands), self._take_served(tenants)
        report = self._composer.report(tenants, demands, self._capacity.version)
        told = await self._reports.leave(report, short=short, served=served, pools=asked)
        self._rooms.told(asked)
        self._hear(served, told)
        if self._apply(told):  # then it says what holds now
            report = self._composer.report(tenants, demands, self._capacity.version)
            await self._reports.leave(report, short=short, pools=asked)
        if told.capacity is None and time.monotonic() >= self._restore_at:
            self._restore_at = time.monotonic() + RESTORE_SECONDS
            await self._restore()
        contended = await self._lead(told.capacity) if told.leads else False
        if not told.leads:
            self._metrics.groups.gap = 0.0
        if told.waiting:
            return WAITING_SECONDS
        self._is_shared = told.share is not None or bool(sharing.rooms)
        return SHORT_SECONDS if contended or (short and self._is_shared) else REPORT_SECONDS

    async def _lead(self, capacity: Capacity | None) -> bool:
        """Publishes what each sidecar is due.  Returns whether anything has to be shared now."""
        sharing = self._in_flight.sharing
        pools = {model: int(room.most) for model, room in sharing.rooms.items() if room.most != UNBOUNDED}
        own = None
        if capacity is not None:
            own = capacity.max_in_flight
            if capacity.max_in_flight_total is not None:
                pools[EVERYTHING] = capacity.max_in_flight_total
        reports, weights = [aged.report for aged in (await self._reports.overview()).reports], sharing.weights
        self._metrics.groups.gap = gap_of(reports, weights)
        dues = self._spreading.dues(Bounds(pools, own), reports, weights)
        if not any(dues.values()):
            return False
        await self._reports.hand_out(dues)
        return True

    def _take_served(self, tenants: Sequence[Running]) -> Served:
        served = self._in_flight.sharing.take_served()
        self._composer.count(served, self._in_flight.sharing.take_finished())
        self._exchange.add(served)
        return self._exchange.to_tell({(each.policy.fairshare_group, each.policy.tenant_id): 0 for each in tenants})

    def _hear(self, served: Served, told: Told) -> None:
        elsewhere = self._exchange.heard(served, told.totals, told.period)
        if elsewhere:
            self._in_flight.sharing.served_elsewhere(elsewhere)

    def _apply(self, told: Told) -> bool:
        """Returns whether the capacity changed.  A copy that Redis lost changes nothing."""
        self._heard_at, self._shares = self._clock(), told.shares
        self._in_flight.sharing.allot(told.shares)
        if told.capacity is None:
            return False
        changed = told.capacity.version != self._capacity.version
        self._in_flight.bound, self._capacity = bound_of(told.capacity, told.share), told.capacity
        return changed

    def _alone(self) -> None:
        """Nobody shares the models' bounds any more: this process takes the rooms of which it has no share."""
        sharing = self._in_flight.sharing
        if self._clock() - self._heard_at < TTL_SECONDS:
            return
        whole = {model: int(room.most) for model, room in sharing.rooms.items() if room.most != UNBOUNDED}
        sharing.allot({**whole, **(self._shares or {})})

    async def _forget_ended(self) -> None:
        """Removes requests whose end was not seen here: settled by another process, or expired because no entry renewed
        them."""
        now_ms = time.time_ns() // 1_000_000
        doubtful = self._in_flight.older_than(now_ms - min(DOUBT_MS, self._lease_ms))
        await self._forget_gone(random.sample(doubtful, min(DOUBTS, len(doubtful))))  # each is checked sooner or later

    async def _forget_gone(self, lives: Sequence[Life]) -> None:
        expired_ms = time.time_ns() // 1_000_000 - self._lease_ms
        for start in range(0, len(lives), DOUBTS):
            some = {life.lease_id: life for life in lives[start : start + DOUBTS]}
            gone = await self._gone({lease_id: life.policy.tenant_id for lease_id, life in some.items()})
            expired = [each for each in gone if some[each].since_ms < expired_ms]
            self._in_flight.expire(some[each] for each in expired)
            self._in_flight.end_all(set(gone).difference(expired))

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(LEAST_SECONDS)
        try:
            async with asyncio.timeout(seconds - LEAST_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _withdraw(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._reports.withdraw(self._identity.sidecar)
        except UNAVAILABLE:
            log.info("the last report could not be taken back; it expires")

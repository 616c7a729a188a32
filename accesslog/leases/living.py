"""Which Envoys live, as all sidecars together know it: the requests through an Envoy that was lost together with its
sidecar end within seconds, not when their leases expire.

Each process reports the Envoys that it hears from: those with log streams open here, and those that ask.  An Envoy that
nobody hears from is gone, unless a live process has reason to assume that it is alive: it was heard from within the
interval in which Envoy reports each running request, or the process has just replaced one that counted its requests.
If another Envoy has begun in the meantime while this one is silent, the other has replaced it.

A wrong verdict (all sidecars of an Envoy were away while it ran on) frees its slots until Envoy reports the requests
again, at most a minute later: that renews their leases, and their rows are replaced.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from accesslog.leases.gone import GoneEnvoys
from accesslog.metrics import AccessLogMetrics
from accesslog.streams import Gone, Streams
from ratelimit.budgets.port import Budgets, BudgetsUnavailable, LeaseName
from ratelimit.fleet.envoys_redis import Said, Silent
from ratelimit.in_flight import InFlight
from store.redis import UNAVAILABLE
from tenancy.values.lease_id import NO_ENVOY, envoy_of, is_lease_id, lease_ms

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
TELLS_SECONDS = 75.0  # Envoy reports each running request every 60 s
REPLACED_SECONDS = 5.0  # silence after which an Envoy counts as replaced, if another one has asked
SKEW_SECONDS = 2.0  # between the clocks of two sidecars
BATCH = 100


class Registry(Protocol):
    """The registry of Envoys.  Raises what store.redis.UNAVAILABLE lists."""

    async def known(self) -> set[str] | None:
        """The Envoys that somebody has heard from and that are not gone; None if nobody has looked."""

    async def tell(self, said: Said) -> Silent: ...


class LivingEnvoys:
    """`asked`: takes the names of the Envoys that have asked since the last call.  On the loop."""

    def __init__(
        self,
        registry: Registry,
        streams: Streams,
        asked: Callable[[], set[str]],
        in_flight: InFlight,
        gone: GoneEnvoys,
        budgets: Budgets,
        metrics: AccessLogMetrics,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry, self._streams, self._asked, self._in_flight = registry, streams, asked, in_flight
        self._gone, self._budgets, self._metrics, self._clock = gone, budgets, metrics, clock
        self._first = True
        self._known: set[str] | None = None  # before this process began
        self._new_at = float("inf")  # when an Envoy was heard from that was not known before
        self._heard: dict[str, float] = {}  # at most as many as there are names
        self._inherited: dict[str, float] = {}  # since when they are taken for alive, and were not heard of
        self._cut: set[str] = set()  # Envoys whose streams were cut
        self._told: dict[str, float] = {}  # by Envoy: what began before this time is over, as the registry said
        self._done: list[str] = []

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            try:
                await self.look()
            except (*UNAVAILABLE, BudgetsUnavailable):
                self._metrics.settle_errors.add()
            except Exception as error:  # the top of a background task
                self._metrics.failures.add()
                log.error("what runs through Envoys that are gone cannot be ended", exc_info=error)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """One round."""
        now, first = self._clock(), self._first
        if first:
            self._known = await self._registry.known()
            self._first = False
        if first or self._in_flight.inherits:
            for life in self._in_flight.older_than(time.time_ns() // 1_000_000):
                self._inherited.setdefault(envoy_of(life.lease_id), now)
        done = tuple(self._done)
        silent = await self._registry.tell(self._said(now)._replace(done=done))
        del self._done[: len(done)]
        wall = time.time() + SKEW_SECONDS
        self._hear(silent.all, wall)
        if silent.given:
            await asyncio.to_thread(self._free, {name: int((wall - ago) * 1000) for name, ago in silent.given.items()})
            self._done += silent.given

    def _hear(self, gone: Mapping[str, float], wall: float) -> None:
        before = {name: wall - ago for name, ago in gone.items()}
        new = [name for name, at in before.items() if at > self._told.get(name, 0.0) + SKEW_SECONDS]
        self._told = before
        for name in new:
            self._inherited.pop(name, None)
            self._heard.pop(name, None)
        self._cut.difference_update(before)
        self._gone.add(Gone(name, before[name]) for name in new)

    def _said(self, now: float) -> Said:
        here = (self._asked() | set(self._streams.here())) - {NO_ENVOY}
        self._cut = (self._cut | self._gone.take_found()) - here - {NO_ENVOY}
        for name in here:
            inherited = self._inherited.pop(name, None) is not None
            self._heard[name] = now
            if self._known is not None and not inherited and name not in self._known:
                self._known.add(name)
                self._new_at = min(self._new_at, now)
        heard = {name for name, at in self._heard.items() if now - at < TELLS_SECONDS}
        taken = {name: at for name, at in self._inherited.items() if now - at < TELLS_SECONDS and name != NO_ENVOY}
        replaced = {name for name, at in taken.items() if now - max(at, self._new_at) > REPLACED_SECONDS}
        gone = replaced | self._cut
        return Said(here, (heard | taken.keys()) - here - gone, gone)

    def _free(self, before_ms: Mapping[str, int]) -> None:
        """Ends the leases of the requests that came through these Envoys before those times."""
        count = 0
        for page in self._budgets.running():
            over = [each for each in page if _came_before(each, before_ms)]
            for start in range(0, len(over), BATCH):
                self._budgets.expire(over[start : start + BATCH])
            count += len(over)
        log.warning(
            "Envoys are gone: what ran through them is charged as reserved", envoys=sorted(before_ms), requests=count
        )


def _came_before(name: LeaseName, before_ms: Mapping[str, int]) -> bool:
    before = before_ms.get(envoy_of(name.lease_id))
    return before is not None and is_lease_id(name.lease_id) and lease_ms(name.lease_id) < before

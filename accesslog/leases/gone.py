"""Ends the leases of requests through an Envoy that is gone: they will have no log entry, so the sweep accounts for
them. streams.py and living.py find out which Envoy is gone; each process ends the requests that it has in flight
itself."""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from accesslog.siblings import Siblings, gone_of
from accesslog.streams import Gone, Streams
from ratelimit.budgets.port import Budgets, BudgetsUnavailable, LeaseName
from ratelimit.in_flight import InFlight
from ratelimit.life import Life
from tenancy.values.lease_id import envoy_of

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
LEASES_AT_ONCE = 100
MOST_GONE = 1000  # Envoys kept while Redis is away


class GoneEnvoys:
    """`leaving`: this process drains, so that it cuts its streams itself.  On the loop."""

    def __init__(
        self,
        streams: Streams,
        in_flight: InFlight,
        budgets: Budgets,
        siblings: Siblings | None,
        leaving: Callable[[], bool],
    ) -> None:
        self._streams, self._in_flight, self._budgets = streams, in_flight, budgets
        self._siblings, self._leaving = siblings, leaving
        self._waiting: dict[str, float] = {}  # by Envoy: what began before this time is over
        self._found: set[str] = set()

    def told(self, items: Iterable[str]) -> None:
        """Another process of this sidecar has found that these Envoys are gone."""
        self.add(each for item in items if (each := gone_of(item)) is not None)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._leaving():
                continue
            gone = self._streams.gone()
            self.add(gone)
            self._found.update(each.envoy for each in gone)
            if self._siblings is not None:
                self._siblings.here(self._streams.here())
                self._siblings.gone(gone)
            for envoy, before in list(self._waiting.items()):
                try:
                    await self._free(envoy, before)
                except BudgetsUnavailable:
                    break  # the next round tries again

    def take_found(self) -> set[str]:
        """The Envoys that were found gone by their streams here since the last call."""
        found, self._found = self._found, set()
        return found

    def add(self, gone: Iterable[Gone]) -> None:
        """These are gone."""
        for each in gone:
            if len(self._waiting) < MOST_GONE:
                self._waiting[each.envoy] = max(each.before, self._waiting.get(each.envoy, 0.0))

    async def _free(self, envoy: str, before: float) -> None:
        lives = self._through(envoy, before)
        for start in range(0, len(lives), LEASES_AT_ONCE):
            some = lives[start : start + LEASES_AT_ONCE]
            names = [LeaseName(life.policy.tenant_id, life.lease_id) for life in some]
            await asyncio.to_thread(self._budgets.expire, names)
        self._in_flight.expire(lives)
        del self._waiting[envoy]
        if lives:
            log.warning("an Envoy is gone, its requests are charged as reserved", envoy=envoy, requests=len(lives))

    def _through(self, envoy: str, before: float) -> list[Life]:
        older = self._in_flight.older_than(int(before * 1000))
        return [life for life in older if envoy_of(life.lease_id) == envoy]

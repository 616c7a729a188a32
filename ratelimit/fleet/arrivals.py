"""What sidecars behind one Envoy tell each other about requests: over TCP, an Envoy seldom asks the same sidecar who is
calling, whether the request may run, and seldom tells it of the end.  On the background loop, never in the path of a
request.

A request that began here counts as lacking its body only once all other sidecars have reported everything that they
were told since.  So an arrival that is reported late, or is lost, or cannot be reported while Redis is away, never
makes a client seem to send no bodies: until then nothing counts.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol

import structlog

from ratelimit.fleet.arrivals_redis import SILENT_SECONDS, Item, RedisArrivals, Told
from store.redis import UNAVAILABLE

log = structlog.get_logger(__name__)

SECONDS = 0.25  # between two rounds
LATE_SECONDS = 3.0  # how late the others' reports may be before nothing counts
QUIET_SECONDS = 1.5
LEAVE_SECONDS = 1.0
MAX_WAITING = 50_000  # items that are not reported yet
ITEMS_A_ROUND = 5_000
SHARED_SECONDS = 60.0  # silence about requests from here that shows a sidecar to be behind another Envoy
MAX_SHARING = 1_000


class Register(Protocol):
    """The register of bodies that are on their way.  Times are of the same clock as ours."""

    def arrived(self, lease_ids: Iterable[str], now: float) -> bool:
        """Returns whether any of these requests began here."""

    def told_until(self, at: float) -> None:
        """A request that began before `at` and has not been reported lacks its body."""

    def count(self, counting: bool) -> None:
        """While it is False nobody is refused, and requests that began by then are never counted."""


class Arrivals:
    """`heard` gets everything that others report; `unheard` is called, in each round, if reports may be missing;
    `shared` gets the number of sidecars that the Envoys behind this one ask."""

    def __init__(
        self,
        exchange: RedisArrivals,
        register: Register,
        *,
        heard: Callable[[Sequence[Item]], None],
        unheard: Callable[[], None],
        shared: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exchange, self._register, self._clock = exchange, register, clock
        self._heard, self._unheard, self._shared = heard, unheard, shared
        self._waiting: deque[Item] = deque()
        self._losses = 0
        self._through_ms = 0  # Redis's clock at the last answer: what we were told before is being reported
        self._asked: deque[tuple[float, int]] = deque(maxlen=1000)  # our time before an answer, and Redis's in it
        self._told_until = clock()
        self._sharing: dict[str, float] = {}
        self._alone, self._others_at = True, -math.inf

    def tell(self, lease_id: str, what: int) -> None:
        """Reports a request that may have begun elsewhere.  Thread-safe."""
        if len(self._waiting) >= MAX_WAITING:
            self._losses += 1
        else:
            self._waiting.append(Item(lease_id, what))

    async def run(self) -> None:
        """Runs until cancelled; then reports what is left."""
        try:
            while True:
                try:
                    await self.round()
                except Exception as error:  # the top of a background task
                    log.error("bodies that have arrived cannot be told of", exc_info=error)
                    self._register.count(False)
                await asyncio.sleep(SECONDS)
        finally:
            with suppress(*UNAVAILABLE):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._exchange.leave(self._take(len(self._waiting)))

    async def round(self) -> None:
        """Reports, and takes the others' reports."""
        began, through_ms, losses = self._clock(), self._through_ms, self._losses
        more = len(self._waiting) > ITEMS_A_ROUND
        items = self._take(ITEMS_A_ROUND)
        try:
            told = await self._exchange.tell(items, 0 if more else through_ms, lost=losses > 0)
        except UNAVAILABLE:
            self._waiting.extendleft(reversed(items))
        else:
            self._losses -= losses
            self._through_ms = told.now_ms
            self._hear(told, began)
        now = self._clock()
        if now - self._told_until > LATE_SECONDS:
            self._do_not_count()

    def _do_not_count(self) -> None:
        self._register.count(False)
        if not self._alone:
            self._unheard()

    def _take(self, most: int) -> list[Item]:
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def _hear(self, told: Told, began: float) -> None:
        self._alone = told.complete and told.through_ms is None
        if told.lost:
            self._asked.clear()
            self._do_not_count()
        self._asked.append((began, told.now_ms))
        for sidecar, items in told.items:
            self._heard(items)
            if self._register.arrived([item.lease_id for item in items], began) and len(self._sharing) < MAX_SHARING:
                self._sharing[sidecar] = began
        self._sharing = {name: at for name, at in self._sharing.items() if began - at < SHARED_SECONDS}
        self._shared(1 + len(self._sharing))
        if told.through_ms is not None or told.lost:
            self._others_at = began
        if told.through_ms is None:
            self._told_until = began
            is_alone = began - self._others_at > SILENT_SECONDS
            self._register.told_until(math.inf if is_alone else began - SILENT_SECONDS)
        elif not told.more:
            while self._asked and self._asked[0][1] <= told.through_ms:
                self._told_until = self._asked.popleft()[0]
            self._register.told_until(self._told_until)
        if not told.complete:
            self._do_not_count()
        elif began - self._told_until <= LATE_SECONDS:
            self._register.count(True)


async def stay_quiet(exchange: RedisArrivals) -> None:
    """For a sidecar that nobody asks over TCP; runs until cancelled."""
    while True:
        with suppress(*UNAVAILABLE):
            await exchange.stay_quiet()
        await asyncio.sleep(QUIET_SECONDS)

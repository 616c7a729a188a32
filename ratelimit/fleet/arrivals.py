"""What sidecars behind one Envoy tell each other of requests: over TCP the sidecar that Envoy asks who is calling is
seldom the one that it asks once the body is there, nor that which hears of the end.  On the background loop, never in
the path of a request.

A request that began here is known to lack its body only once all others have told of what they were told of since then.
So what is late, or lost, or cannot be told since Redis is away, makes nobody seem to send no bodies: as long as that is
so nothing counts.
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
LATE_SECONDS = 3.0  # how late the others may be in telling of all, before nothing counts
QUIET_SECONDS = 1.5
LEAVE_SECONDS = 1.0
MAX_WAITING = 50_000  # items that are not told yet
ITEMS_A_ROUND = 5_000
SHARED_SECONDS = 60.0  # after which a sidecar that told of nothing that began here is no longer behind the same Envoy
MAX_SHARING = 1_000


class Register(Protocol):
    """Of bodies that are coming.  Times are of the same clock as ours."""

    def arrived(self, lease_ids: Iterable[str], now: float) -> bool:
        """Whether any of them began here."""

    def told_until(self, at: float) -> None:
        """What began before and has not arrived lacks its body."""

    def count(self, counting: bool) -> None:
        """As long as not, nobody is refused, and what began by then does not count later."""


class Arrivals:
    """`heard` is told of all that others tell; `unheard`, each round, that some may not be told of; `shared` how
    many sidecars are asked by the Envoys that ask this one."""

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
        self._through_ms = 0  # of Redis's clock, at the last answer: what we were told of before is being told
        self._asked: deque[tuple[float, int]] = deque(maxlen=1000)  # our time before an answer, Redis's in it
        self._told_until = clock()
        self._sharing: dict[str, float] = {}
        self._alone, self._others_at = True, -math.inf

    def tell(self, lease_id: str, what: int) -> None:
        """Of a request of which this sidecar does not know that it began here.  From any thread."""
        if len(self._waiting) >= MAX_WAITING:
            self._losses += 1
        else:
            self._waiting.append(Item(lease_id, what))

    async def run(self) -> None:
        """Until cancelled; then tells what is left."""
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
        """Tells and hears."""
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
    """Of a sidecar that nobody asks over TCP, until cancelled."""
    while True:
        with suppress(*UNAVAILABLE):
            await exchange.stay_quiet()
        await asyncio.sleep(QUIET_SECONDS)

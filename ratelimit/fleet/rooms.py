"""Which models' rooms this process asks for a share of: those that it uses or recently used; while there are few, all
of them, so that the first request finds room.  Pure."""

from collections.abc import Callable, Mapping, Sequence

from ratelimit.fairness.pools import UNBOUNDED, Room
from ratelimit.fairness.tree import Demand
from ratelimit.fleet.report import Pooled

LATELY_SECONDS = 60.0
FEW = 50
MOST = 200  # in one report: those with most requests
GIVEN_UP = Pooled(-1, 0, short=False)


class Rooms:
    """For one thread.  `clock` in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._used: dict[str, float] = {}  # when each was last used
        self._held: frozenset[str] = frozenset()

    def asked(self, rooms: Mapping[str, Room], demands: Sequence[tuple[str, Demand]]) -> dict[str, Pooled]:
        """What to report of each room, including those that are given up."""
        now, running, waiting = self._clock(), dict[str, int](), dict[str, int]()
        for model, demand in demands:
            running[model] = running.get(model, 0) + demand.running
            waiting[model] = waiting.get(model, 0) + demand.waiting
        bounded = {model: int(room.most) for model, room in rooms.items() if room.most != UNBOUNDED}
        self._used = {name: at for name, at in self._used.items() if name in bounded and now - at < LATELY_SECONDS}
        self._used |= dict.fromkeys(bounded.keys() & running.keys(), now)
        most = sorted(self._used, key=lambda name: -running.get(name, 0) - waiting.get(name, 0))[:MOST]
        names = most if len(most) >= FEW else list(dict.fromkeys([*most, *bounded]))[:FEW]
        asked = {name: Pooled(bounded[name], running.get(name, 0), waiting.get(name, 0) > 0) for name in names}
        return dict.fromkeys(self._held - asked.keys(), GIVEN_UP) | asked

    def told(self, asked: Mapping[str, Pooled]) -> None:
        """`asked` was reported."""
        self._held = frozenset(name for name, pool in asked.items() if pool is not GIVEN_UP)

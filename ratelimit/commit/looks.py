"""Questions of waiting requests: what would the budgets decide?  Any thread adds; one serves."""

from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

from ratelimit.budgets.port import Budgets, Decision, Reservation
from serving.call import notify

TOLD = "look at budgets"  # names the call in the log if it fails

Looked = Callable[[Decision], None]


class Looks:
    """Each is told at most once; not at all while the budgets are away."""

    def __init__(self) -> None:
        self._wanted: SimpleQueue[tuple[Reservation, Looked]] = SimpleQueue()

    def __len__(self) -> int:
        return self._wanted.qsize()

    def add(self, reservation: Reservation, told: Looked) -> None:
        self._wanted.put((reservation, told))

    def take(self, most: int) -> list[tuple[Reservation, Looked]]:
        return [self._wanted.get() for _ in range(min(most, len(self)))]

    def serve(self, budgets: Budgets, most: int) -> None:
        """Asks for up to `most` and tells them.  On BudgetsUnavailable these are not told."""
        looks = self.take(most)
        decisions = budgets.look([reservation for reservation, _ in looks])
        for (_, told), decision in zip(looks, decisions, strict=True):
            if decision is not None:
                notify(TOLD, partial(told, decision))

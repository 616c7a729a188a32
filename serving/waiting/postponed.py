"""Steps that can wait until nothing else does: an engine runs them one at a time."""

import time
from collections import deque
from collections.abc import Callable

# A step runs after this time even if calls wait; beyond this many, steps run at once.
MAX_POSTPONED_SECONDS = 0.1
MAX_POSTPONED = 4096


class Postponed:
    """From any thread: `append`.  The rest from the serving thread only."""

    def __init__(self, most: int = MAX_POSTPONED) -> None:
        self._most = most
        self._steps: deque[tuple[float, Callable[[], object]]] = deque()  # with the time.monotonic() they came

    def __bool__(self) -> bool:
        return bool(self._steps)

    def append(self, step: Callable[[], object]) -> None:
        """Always queues the step."""
        self._steps.append((time.monotonic(), step))

    def add(self, step: Callable[[], None]) -> None:
        """Queues the step, or runs it at once if too many wait."""
        if len(self._steps) < self._most:
            self.append(step)
        else:
            step()

    def catch_up(self, idle: bool) -> bool:
        """Runs the first step, if the engine is `idle` or the step has waited for long.  Call only if there is one."""
        since, step = self._steps[0]
        if not idle and time.monotonic() - since <= MAX_POSTPONED_SECONDS:
            return False
        self._steps.popleft()
        step()
        return True

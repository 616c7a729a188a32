"""The port through which an operator looks at live budgets, resets and adjusts them.  No I/O.

Requests have a port of their own (port.py), for threads; this one is for an event loop.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ratelimit.budgets.rule import Rule

# A little less than the day for which the management API keeps what it answered: never longer.
MARKER_MS = 86_400_000 - 60_000


class Held(NamedTuple):
    """One budget: what it holds (below zero: debt), when it is full again, and how often its rule would have refused,
    were it not a shadow, since the budget was last full."""

    held: int
    full_at_ms: int
    missed: int


class BudgetControl(Protocol):
    """Raises ratelimit.budgets.port.BudgetsUnavailable; what was to change may then have changed.

    `once` names a change that may be asked for again: it is made the first time only, for almost a day.
    """

    @property
    def spans_owners(self) -> bool:
        """Whether one step can reach the budgets of several owners: on a Redis Cluster it cannot."""

    async def peek(self, rules: Sequence[Rule]) -> list[Held]:
        """What the budget of each holds now.  Changes nothing."""

    async def reset(self, rules: Sequence[Rule], once: str = "") -> list[Held]:
        """They are full; what they hold then.  All are of one owner.  Requests in flight are settled as before: what
        they use beyond their reserve is charged."""

    async def adjust(self, rule: Rule, units: int, once: str = "") -> Held:
        """Gives units back (never beyond the capacity) or, below zero, charges them (debt is possible).  What it holds
        then."""

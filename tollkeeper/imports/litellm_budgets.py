"""The budgets of LiteLLM: how much, in which window, as limits of ours.  Pure.

LiteLLM resets days, weeks and months at midnight UTC (unless its `timezone` says otherwise), others after their length.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tenancy.values.calendar import DAY_SECONDS, Calendar
from tollkeeper.imports.windows import seconds_of

MILLIONTHS = Decimal(1_000_000)
MAX_COST = 10**9 * 10**6  # millionths, as the management API has it
WORDS = {"hourly": "1h", "daily": "1d", "weekly": "7d", "monthly": "30d"}
CALENDARS = {
    "1h": Calendar.HOUR, "24h": Calendar.DAY, "1d": Calendar.DAY, "7d": Calendar.WEEK, "1w": Calendar.WEEK,
    "30d": Calendar.MONTH, "1mo": Calendar.MONTH,
}  # fmt: skip
FOR_EVER = 100 * 366 * DAY_SECONDS  # counted from 1970, so that it ends in 2070


class Window(NamedTuple):
    """The fields of a limit."""

    window_seconds: int
    calendar: Calendar | None = None


def window_of(duration: str | None) -> Window | None:
    """None if the budget never comes back; ValueError if LiteLLM would not understand it either."""
    if not duration:
        return None
    text = WORDS.get(duration.strip().lower(), duration.strip())
    if calendar := CALENDARS.get(text):
        return Window(calendar.seconds, calendar)
    return Window(min(seconds_of(text), FOR_EVER))


class Money(NamedTuple):
    """`amount`: millionths, 0: nothing is left.  `said`: what is not as it was, "" if nothing."""

    amount: int
    window: Window
    said: str


def money_of(fields: Mapping[str, Any], spent: Any) -> Money | None:
    """Of `max_budget`, `budget_duration` and what was spent under them; None: no budget."""
    if fields.get("max_budget") is None:
        return None
    budget, spend = Decimal(str(fields["max_budget"])), Decimal(str(spent or 0))
    if not (budget.is_finite() and spend.is_finite()):
        raise ValueError(f"max_budget {budget}, spend {spend}")
    window = window_of(fields.get("budget_duration"))
    if window is None:
        said = "a budget that never comes back: what is left of it is a limit until 2070"
        return Money(_millionths(budget - spend), Window(FOR_EVER), said)
    said = f"{spend} of {budget} are spent in this window, and are available once more" if spend > 0 else ""
    return Money(_millionths(budget), window, said)


def _millionths(amount: Decimal) -> int:
    return max(0, min(int(amount * MILLIONTHS), MAX_COST))

"""What a budget should count as spent, by the sums of the ledger.  Pure; no I/O.

Sums are rounded down where a budget rounds each request up: what is found here is never more than was spent.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from ledger.sums import Figures, Interval
from ratelimit.budgets.budget import actual, window_of
from ratelimit.budgets.rule import BUCKET, SLIDING, Rule, Used
from ratelimit.tenants.account import counts_of
from tenancy.directory.census import BudgetChange
from tenancy.values.limit import Limit, Unit

MILLIONTHS = Decimal(1_000_000)
AHEAD = timedelta(minutes=5)  # how far a sidecar's clock, which is in the rows, may be ahead


def intervals_of(rule: Rule, now_ms: int) -> tuple[Interval, ...]:
    """The time whose rows the rule counts: its window and, if that slides, the one before.  For a bucket, the length of
    its window until now: what was spent earlier has been refilled."""
    now = _time(now_ms)
    if rule.shape[0] == BUCKET:
        return ((now - timedelta(milliseconds=rule.window_ms), now + AHEAD),)
    starts, ends = window_of(rule, now_ms)
    window = (_time(starts), _time(ends))
    return (window, (_time(2 * starts - ends), _time(starts))) if rule.shape[0] == SLIDING else (window,)


def units_of(limit: Limit, figures: Figures) -> int:
    """What a limit counts for these requests."""
    if limit.unit is Unit.COST:
        return int(figures.cost * MILLIONTHS)
    used = Used(figures.input_tokens, figures.output_tokens, figures.cached_tokens, figures.reasoning_tokens)
    return actual(counts_of(limit, None), used, reserved=figures.requests)


def cut(
    interval: Interval, since: datetime, changes: Iterable[BudgetChange]
) -> tuple[list[Interval], list[int | None]]:
    """The interval from `since` on, in pieces between the operators' changes; and what each change between two pieces
    gave back (None: everything)."""
    start, stop = max(interval[0], since), interval[1]
    if start >= stop:
        return [], []
    pieces, given = list[Interval](), list[int | None]()
    for change in changes:
        if start <= change.at < stop:
            pieces.append((start, change.at))
            given.append(change.given_back)
            start = change.at
    return [*pieces, (start, stop)], given


def after_changes(spent: Sequence[int], given: Sequence[int | None]) -> int:
    """What counts as spent after the changes; a change gives back no more than was spent by then."""
    total = 0
    for units, back in zip(spent, given, strict=False):
        total = 0 if back is None else max(0, total + units - back)
    return total + spent[-1] if spent else 0


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)

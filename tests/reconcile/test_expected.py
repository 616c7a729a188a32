"""What a budget should count, from pieces of time and what operators gave back between them."""

from datetime import UTC, datetime, timedelta

import pytest

from ledger.sums import Interval
from ratelimit.budgets.rule import Rule
from reconcile.expected import after_changes, cut, intervals_of
from tenancy.directory.census import BudgetChange

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY: Interval = (NOON, NOON + 24 * HOUR)
NOW_MS = int(NOON.timestamp() * 1000) + 90_000


def change(hours: float, given_back: int | None) -> BudgetChange:
    return BudgetChange("acme", "month", NOON + hours * HOUR, given_back)


def rule(shape: str) -> Rule:
    return Rule("tollkeeper:budget:{acme}:x", shape, 100)


def test_a_window_is_cut_where_operators_changed_the_budget() -> None:
    pieces, given = cut(DAY, NOON - HOUR, [change(-1, 5), change(2, None), change(3, -7), change(24, 9)])
    assert pieces == [(NOON, NOON + 2 * HOUR), (NOON + 2 * HOUR, NOON + 3 * HOUR), (NOON + 3 * HOUR, DAY[1])]
    assert given == [None, -7]


def test_it_begins_when_the_limit_was_made() -> None:
    assert cut(DAY, NOON + HOUR, []) == ([(NOON + HOUR, DAY[1])], [])
    assert cut(DAY, DAY[1], []) == ([], [])


@pytest.mark.parametrize(
    ("spent", "given", "expected"),
    [
        ([], [], 0),
        ([5], [], 5),
        ([5, 3], [None], 3),
        ([5, 3], [2], 6),
        ([5, 3], [9], 3),
        ([5, 3, 1], [-10, None], 1),
        ([5, 3, 1], [None, -10], 14),
    ],
)
def test_nobody_gets_back_more_than_was_spent(spent: list[int], given: list[int | None], expected: int) -> None:
    assert after_changes(spent, given) == expected


def test_the_time_that_counts() -> None:
    assert intervals_of(rule("f3600000"), NOW_MS) == ((NOON, NOON + HOUR),)
    assert intervals_of(rule("s3600000"), NOW_MS) == ((NOON, NOON + HOUR), (NOON - HOUR, NOON))
    ((start, stop),) = intervals_of(rule("b60000"), NOW_MS)
    assert (start, stop > NOON + timedelta(seconds=90)) == (NOON + timedelta(seconds=30), True)

"""Looking at budgets: the call of `lua/peek.lua` and its reply."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ratelimit.budgets.meter import Meter
from ratelimit.budgets.scripts import Step


class Held(NamedTuple):
    """One budget: what it holds (below zero: debt), when it is full again, and how often its limit would have refused,
    were it not a shadow, since the budget was last full."""

    held: int
    full_at_ms: int
    missed: int


def peek_step(meters: Sequence[Meter]) -> Step:
    arguments: list[str | int] = []
    for meter in meters:
        arguments += (meter.shape, meter.capacity, *(meter.bounds or ("", "", "")))
    return Step([meter.key for meter in meters], arguments)


def peeked(reply: Sequence[Any]) -> list[Held]:
    now_ms, *numbers = map(int, reply)
    triples = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    return [Held(held, now_ms + full_in_ms, missed) for held, full_in_ms, missed in triples]

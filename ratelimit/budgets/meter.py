"""A meter: how one limit is counted, in the form that a stored lease keeps.  Pure; no I/O.

A lease is settled by what was true when it was made, prices too, whatever has become of its limits since.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tenancy.values.calendar import Bounds
from tenancy.values.limit import FULL_WEIGHT, Kind, Limit, Unit
from tenancy.values.prices import FREE, Prices

MS_PER_SECOND = 1000
# Weights and prices are whole millionths, so that sums are exact and the same in Lua.
SCALE = 1_000_000
LETTERS = {Kind.BUCKET: "b", Kind.FIXED: "f", Kind.SLIDING: "s"}
# What settling changes: nothing (a request stays one), or by the plain sum of input and output; else by weights.
ONE, PLAIN = 0, 1

Weights = tuple[int, int, int, int]  # of an input, output, cached and reasoning token; the last two come on top
Counts = int | Weights


class Used(NamedTuple):
    """What a request used.  Cached tokens are part of the input, reasoning tokens of the output."""

    input_tokens: int
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Meter:
    """`key` is its budget, whose `owner` (tenant or group) is in the key's braces; holds `capacity` units.

    `shape` is how what is spent comes back: letter of the kind, then the window in ms or the calendar's name; of a
    budget whose limit took another shape, what is spent stays spent.  `bounds` are those of the calendar.
    """

    key: str
    shape: str
    capacity: int
    counts: Counts = PLAIN
    bounds: Bounds | None = None

    @property
    def owner(self) -> str:
        return self.key[self.key.index("{") + 1 : self.key.index("}")]

    @property
    def kind(self) -> str:
        return self.shape[0]

    @property
    def window_ms(self) -> int:
        """Of a calendar, the length of the window that it was made in."""
        return int(self.shape[1:]) if self.bounds is None else self.bounds.second - self.bounds.first

    def window(self, now_ms: int) -> tuple[int, int]:
        """Where the window that holds `now_ms` begins and ends.  Beyond the bounds (two clocks that differ by more than
        a window) windows are as long as the first."""
        first, second, third = self.bounds or (0, self.window_ms, self.window_ms)
        if second <= now_ms < third:
            return second, third
        starts = first + (now_ms - first) // (second - first) * (second - first)
        return starts, starts + second - first

    def full_in_ms(self, level: int, now_ms: int) -> int:
        """Milliseconds until a budget that holds `level` is full again, rounded up; of a sliding window at most."""
        if self.shape[0] == "b":
            return max(0, -(-((self.capacity - level) * int(self.shape[1:])) // self.capacity))
        if level >= self.capacity:
            return 0
        starts, ends = self.window(now_ms)
        return ends - now_ms + (ends - starts if self.kind == "s" else 0)

    def actual(self, used: Used, reserved: int) -> int:
        """What the request costs after all."""
        if self.counts == PLAIN:
            return used.input_tokens + used.output_tokens
        if isinstance(self.counts, int):
            return reserved
        return weighed(self.counts, used)

    def row(self) -> list[Any]:
        """As a lease keeps it: `[key, shape, capacity, counts, bounds…]`."""
        return [self.key, self.shape, self.capacity, self.counts, *(self.bounds or ())]

    @staticmethod
    def of_row(row: Sequence[Any]) -> "Meter":
        """What `row` wrote; ValueError or TypeError for anything else."""
        key, shape, capacity, counts, *bounds = row
        if not (isinstance(key, str) and isinstance(shape, str) and "{" in key and shape[:1] in LETTERS.values()):
            raise ValueError("not a meter")
        if not isinstance(counts, int):
            input_, output, cached, reasoning = map(int, counts)
            counts = (input_, output, cached, reasoning)
        return Meter(key, shape, int(capacity), counts, Bounds(*map(int, bounds)) if bounds else None)


def weighed(weights: Weights, used: Used) -> int:
    """Rounded up; never below zero."""
    total = sum(weight * tokens for weight, tokens in zip(weights, used, strict=True))
    return max(0, -(-total // SCALE))


def shape_of(limit: Limit) -> str:
    letter = LETTERS[limit.kind]
    if limit.kind is Kind.FIXED and limit.calendar is not None:
        return f"{letter}{limit.calendar}/{limit.time_zone}"
    return f"{letter}{limit.window_seconds * MS_PER_SECOND}"


def counts_of(limit: Limit, prices: Prices | None) -> Counts:
    """How the limit counts what a request used; `prices` are those of its model."""
    if limit.unit is Unit.REQUESTS:
        return ONE
    if limit.unit is Unit.COST:
        each, output, cached = (prices or FREE).in_millionths()
        return each, output, cached - each, 0
    if limit.unit is Unit.TOKENS and (limit.cached_weight, limit.reasoning_weight) == (FULL_WEIGHT, FULL_WEIGHT):
        return PLAIN
    percent = SCALE // FULL_WEIGHT
    input_ = 0 if limit.unit is Unit.OUTPUT_TOKENS else SCALE
    output = 0 if limit.unit is Unit.INPUT_TOKENS else SCALE
    cached = (limit.cached_weight - FULL_WEIGHT) * percent if input_ else 0
    return input_, output, cached, (limit.reasoning_weight - FULL_WEIGHT) * percent if output else 0


def dump_meters(meters: Sequence[Meter]) -> str:
    return json.dumps([meter.row() for meter in meters], separators=(",", ":"))


def load_meters(text: str) -> tuple[Meter, ...]:
    """What `dump_meters` wrote; ValueError or TypeError for anything else."""
    return tuple(map(Meter.of_row, json.loads(text)))

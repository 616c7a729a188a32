"""The port to the reports of the ledger: sums of its rows by time, tenant, key, user and model."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

# What sums can be grouped and filtered by.
DIMENSIONS = ("tenant_id", "key_id", "user_id", "model")
SERVER_ERROR = 500  # statuses from here on are errors; 0 is a client that left before the answer

# What groups can be compared by: sums of these figures.
MEASURES = {
    "tokens": ("input_tokens", "output_tokens"),
    "cost": ("input_cost", "cached_cost", "output_cost"),
    "requests": ("requests",),
    "refused": ("refused",),
}

Group = tuple[str, ...]
Interval = tuple[datetime, datetime]  # from, and before


@dataclass(frozen=True, slots=True)
class Figures:
    """How many requests were admitted and how many refused, and what the admitted ones used.  What is behind the costs
    are SUMS_OF_PARTS of row.py; and of the response cache how many it answered, the bytes of those answers, and what
    that saved."""

    requests: int = 0
    refused: int = 0
    errors: int = 0
    cache_hits: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    reserved_tokens: int = 0
    total_ms: int = 0
    input_cost: Decimal = Decimal()
    cached_cost: Decimal = Decimal()
    output_cost: Decimal = Decimal()
    cache_write_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0
    images: int = 0
    response_cache_hits: int = 0
    response_cache_bytes: int = 0
    saved_input_tokens: int = 0
    saved_output_tokens: int = 0
    saved_cost: Decimal = Decimal()

    @property
    def cost(self) -> Decimal:
        return self.input_cost + self.cached_cost + self.output_cost


FIGURES = tuple(field.name for field in fields(Figures))


@dataclass(frozen=True, slots=True)
class Selection:
    """Only rows with these values, and of one of `tenants`; None: any."""

    tenant_id: str | None = None
    key_id: str | None = None
    user_id: str | None = None
    model: str | None = None
    tenants: tuple[str, ...] | None = None

    def items(self) -> list[tuple[str, str]]:
        """The values that are given, by column."""
        found = ((name, getattr(self, name)) for name in DIMENSIONS)
        return [(name, value) for name, value in found if value is not None]


@dataclass(frozen=True, slots=True)
class Line:
    """The sums of one group in one of the intervals asked for; `slot` is its number from 0."""

    slot: int
    group: Group
    figures: Figures


class NotSummedYet(Exception):
    """Adding up took too long: that many hours (the argument) are not summed up yet and were read row by row."""


class Sums(Protocol):
    """Sums of every row that was appended before the question.  Raises NotSummedYet, LedgerUnavailable."""

    @property
    def minutes_kept(self) -> timedelta:
        """How far back minutes are summed up.  In older ones the rows themselves are read, which takes longer."""

    async def sums(
        self,
        selection: Selection,
        intervals: Sequence[Interval],
        group_by: Sequence[str] = (),
        limit: int = 1,
        after: tuple[int, Group] | None = None,
    ) -> Sequence[Line]:
        """At most `limit` lines, in order of slot and group, from the one behind `after`.  A group without rows has no
        line.  `group_by`: of DIMENSIONS."""

    async def largest(
        self, selection: Selection, interval: Interval, group_by: Sequence[str], by: str, limit: int
    ) -> Sequence[Line]:
        """The `limit` groups with most of what MEASURES has `by`, the largest first; of equal ones in their order.  Of
        very many groups this takes longer than a page of sums does, and more seconds are allowed for it."""

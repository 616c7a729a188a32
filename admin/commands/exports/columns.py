"""A table that is written to a file: named columns of one kind each, and how a record fills them.  Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Kind(Enum):
    """What a column holds; None is allowed in any."""

    TEXT = "text"
    MONEY = "money"  # a Decimal: costs, prices, quantities that are not whole; at most MONEY_DECIMALS
    WHOLE = "whole"
    FLAG = "flag"
    TIME = "time"


MONEY_DECIMALS = 14  # a price has 8, and is for a million


@dataclass(frozen=True, slots=True)
class Column:
    """`of` takes the value from a record, in the context that its table is made in."""

    name: str
    kind: Kind
    of: Callable[[Any, Any], object]


@dataclass(frozen=True, slots=True)
class Table:
    """`records` in `context`, which are turned into values one by one, as they are read."""

    name: str
    columns: Sequence[Column]
    records: Iterable[object]
    context: object

    def rows(self) -> Iterator[list[object]]:
        for record in self.records:
            yield [column.of(record, self.context) for column in self.columns]

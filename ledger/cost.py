"""What a request costs: its tokens at the prices of its model, put into its row before that is appended.  Pure.

Whole numbers: exact, and a tenth of what Decimals cost on the way into a database.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ledger.row import UsageRow
from tenancy.values.prices import SCALE, Prices

PriceList = Mapping[str, Prices]  # by model; one that is not in it is free
UNIT_DECIMALS = 10  # a cost is kept to this many decimals of the currency
TOKENS_PRICED = 1_000_000
_DIVISOR = TOKENS_PRICED * SCALE // 10**UNIT_DECIMALS
_HALF = _DIVISOR // 2


class Cost(NamedTuple):
    """In units of 10^-UNIT_DECIMALS of the currency.  `input` is for the input tokens that were not cached."""

    input: int = 0
    cached: int = 0
    output: int = 0


class PricedRow(NamedTuple):
    """A row as the ledger keeps it: what was used, and what that cost at the prices of the moment."""

    usage: UsageRow
    cost: Cost


NO_COST = Cost()


def priced(rows: Iterable[UsageRow], prices: PriceList) -> list[PricedRow]:
    """Freezes these prices into the rows."""
    get = prices.get
    return [PricedRow(row, NO_COST if (each := get(row.model)) is None else cost_of(row, each)) for row in rows]


def cost_of(row: UsageRow, prices: Prices) -> Cost:
    """Half a unit is rounded up."""
    cached = row.cached_tokens
    return Cost(
        ((row.input_tokens - cached) * prices.input + _HALF) // _DIVISOR,
        (cached * prices.cached + _HALF) // _DIVISOR,
        (row.output_tokens * prices.output + _HALF) // _DIVISOR,
    )

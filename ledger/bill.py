"""A row's cost, item by item: recomputed from the quantities that it keeps and the prices that it names.  Pure."""

from decimal import Decimal
from typing import NamedTuple

from ledger.cost import PER_ONE, TOKENS_PRICED, quantities_of
from ledger.row import UsageRow
from tenancy.values.prices import KINDS, SCALE, Prices, Rates


class Item(NamedTuple):
    """`quantity` of a kind at `price` for each `per` of them, in the currency.  `cost` is exact: the columns of the
    ledger are sums of these, rounded to UNIT_DECIMALS."""

    kind: str
    quantity: int
    price: Decimal
    per: int
    cost: Decimal


def bill_of(row: UsageRow, prices: Prices) -> list[Item]:
    """The items with a quantity above 0, in the order of Rates."""
    return items_of(quantities_of(row), prices.rates(row.service_tier, row.input_tokens))


def items_of(quantities: Rates, rates: Rates) -> list[Item]:
    """The items of the quantities at these rates."""
    found = []
    for kind, quantity, rate in zip(KINDS, quantities, rates, strict=True):
        if quantity and (rate or kind not in PER_ONE):
            per, price = 1 if kind in PER_ONE else TOKENS_PRICED, Decimal(rate) / SCALE
            found.append(Item(kind, quantity, price, per, quantity * price / per))
    return found

"""What a stretch of time cost, kind by kind and price by price, from sums that a store adds up.  Pure.

Nothing is rounded anew: the costs of all lines add up to those of the rows, to the last decimal.  Charges by the hour,
of single rows, are in charges.py.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from typing import NamedTuple

from ledger.bill import Item, items_of
from ledger.charges import DIGITS, UNIT, Rate
from ledger.cost import COST_OF, Cost
from tenancy.values.prices import FREE, KINDS, Prices, Rates


class AtPrices(NamedTuple):
    """The rows of a model that one version of its prices was charged for, in one service tier, and whose input reached
    the first `reached` of the steps that were asked for.  `cost` is the sum of what the ledger has."""

    model: str
    version: int | None
    service_tier: str
    reached: int
    rows: int
    quantities: Rates
    cost: Cost


class PriceLine(NamedTuple):
    """`rate.price` None: what the prices do not explain, as the rows are older than their history or were changed by
    hand; `rate.kind` is then the ledger's column."""

    model: str
    rate: Rate
    quantity: int
    cost: Decimal


def steps_of(prices: Iterable[Prices]) -> list[int]:
    """The numbers of input tokens from which any of the prices have other tiers, rising; empty without tiers."""
    return sorted({step.least for each in prices for step in each.steps})


def lines_of(sums: Iterable[AtPrices], prices: Mapping[int, Prices], steps: Sequence[int]) -> list[PriceLine]:
    """By model, kind and version.  `prices` by version; `steps` as the sums were asked for, rising."""
    found: dict[tuple[str, Rate], PriceLine] = {}
    with localcontext(prec=DIGITS):
        for each in sums:
            known = FREE if each.version is None else prices.get(each.version)
            for rate, quantity, cost in _parts(each, known, steps[each.reached - 1] if each.reached else 0):
                before = found.get((each.model, rate))
                line = PriceLine(each.model, rate, quantity, cost)
                if before is not None:
                    line = line._replace(quantity=before.quantity + quantity, cost=before.cost + cost)
                found[each.model, rate] = line
    return sorted(found.values(), key=_place)


def _parts(of: AtPrices, prices: Prices | None, tokens: int) -> Iterator[tuple[Rate, int, Decimal]]:
    items: list[Item] = []
    tier = ("", 0)
    if prices is not None:
        items = items_of(of.quantities, prices.rates(of.service_tier, tokens))
        step = prices.step(of.service_tier, tokens)
        tier = (step.service_tier, max(0, step.least - 1)) if step else tier
    for column, units, kinds in zip(Cost._fields, of.cost, COST_OF, strict=True):
        of_column = [item for item in items if item.kind in kinds]
        shares, rest = _shares(units * UNIT, of_column, of.rows * UNIT / 2)
        for item, share in zip(of_column, shares, strict=True):
            yield Rate(item.kind, item.price, item.per, of.version, *tier), item.quantity, share
        if rest:
            yield Rate(column, None, 1, of.version), 0, rest


def _shares(cost: Decimal, items: Sequence[Item], rounding: Decimal) -> tuple[list[Decimal], Decimal]:
    """Divides the cost in proportion to the items; returns the shares and the part that the items do not explain.  The
    last item with a cost takes what rounding of the rows leaves."""
    shares = [item.cost.quantize(UNIT) for item in items]
    rest = cost - sum(shares, Decimal())
    costing = [place for place, item in enumerate(items) if item.cost]
    if not costing or abs(cost - sum((item.cost for item in items), Decimal())) > rounding:
        return shares, rest
    shares[costing[-1]] += rest
    return shares, Decimal()


def _place(line: PriceLine) -> tuple[object, ...]:
    """Kinds in the order of Rates; what is not explained comes last."""
    rate = line.rate
    kind = rate.price is None, KINDS.index(rate.kind)
    return line.model, kind, rate.version or 0, rate.service_tier, rate.above_input_tokens, rate.price or 0

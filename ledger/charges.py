"""What rows cost, summed up by the hour: one charge for each kind of thing that a key used at one price.  Pure.

Exports and statements are made of these.  Nothing is rounded anew: the billed amounts of all charges add up to the
costs of the rows, to the last decimal.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from typing import NamedTuple

from ledger.bill import Item, bill_of
from ledger.cost import COST_OF, UNIT_DECIMALS, PricedRow, cost_of
from tenancy.values.prices import FREE, Prices

DIGITS = 60  # enough for any sum: quantities and prices are bounded
UNIT = Decimal(1).scaleb(-UNIT_DECIMALS)


class Rate(NamedTuple):
    """What is charged for, at which price.  `price` is for each `per` of `kind`; None: it is not known, as the row is
    older than the history of prices or was changed by hand.  `version` None: the model had no prices.  The tier is that
    whose prices held: "" and 0 without one."""

    kind: str
    price: Decimal | None
    per: int
    version: int | None
    service_tier: str = ""
    above_input_tokens: int = 0


class Subject(NamedTuple):
    """Who used it, in which hour."""

    hour: datetime
    tenant_id: str
    key_id: str
    user_id: str
    model: str


@dataclass(slots=True)
class Charge:
    """`cost` is what the ledger has, rounded to UNIT_DECIMALS a row; `exact` is quantity times price, the same if that
    is not known.  `requests` that used any of it."""

    subject: Subject
    rate: Rate
    quantity: int = 0
    requests: int = 0
    cost: Decimal = Decimal()
    exact: Decimal = Decimal()


def charges_of(rows: Iterable[PricedRow], prices: Mapping[int, Prices]) -> list[Charge]:
    """In order of first appearance.  `prices` by version."""
    found: dict[tuple[Subject, Rate], Charge] = {}
    with localcontext(prec=DIGITS):
        for row in rows:
            usage = row.usage
            hour = usage.ts.replace(minute=0, second=0, microsecond=0)
            subject = Subject(hour, usage.tenant_id, usage.key_id, usage.user_id, usage.model)
            for rate, quantity, cost, exact in _parts(row, prices):
                charge = found.get((subject, rate))
                if charge is None:
                    charge = found[subject, rate] = Charge(subject, rate)
                charge.quantity += quantity
                charge.requests += 1
                charge.cost += cost
                charge.exact += exact
    return list(found.values())


Part = tuple[Rate, int, Decimal, Decimal]


def _parts(row: PricedRow, prices: Mapping[int, Prices]) -> Iterator[Part]:
    """Each kind with its share of the row's costs.  A row that its prices do not explain keeps its costs as such."""
    known = FREE if row.price_version is None else prices.get(row.price_version)
    if known is None or cost_of(row.usage, known) != row.cost:
        yield from _unexplained(row)
        return
    usage = row.usage
    step = known.step(usage.service_tier, usage.input_tokens)
    tier = (step.service_tier, max(0, step.least - 1)) if step else ("", 0)
    items = bill_of(usage, known)
    for units, kinds in zip(row.cost, COST_OF, strict=True):
        of_column = [item for item in items if item.kind in kinds]
        for item, cost in zip(of_column, _shares(units, of_column), strict=True):
            rate = Rate(item.kind, item.price, item.per, row.price_version, *tier)
            yield rate, item.quantity, cost, item.cost


def _shares(units: int, items: list[Item]) -> list[Decimal]:
    """Divides a cost in proportion to the items; what rounding leaves goes to the last item with a cost."""
    shares = [item.cost.quantize(UNIT) for item in items]
    rest = Decimal(units).scaleb(-UNIT_DECIMALS) - sum(shares, Decimal())
    for place in reversed(range(len(items))):
        if items[place].cost:
            shares[place] += rest
            break
    return shares


def _unexplained(row: PricedRow) -> Iterator[Part]:
    for column, units in row.cost._asdict().items():
        if units:
            cost = Decimal(units).scaleb(-UNIT_DECIMALS)
            yield Rate(column, None, 1, row.price_version), 0, cost, cost

"""What a month cost by kind and price adds up to the costs of the rows, whatever was rounded."""

import random
from decimal import Decimal

from ledger.by_price import PriceLine, lines_of, steps_of
from ledger.charges import Rate, charges_of
from ledger.cost import Cost, PricedRow
from ledger.row import PARTS, dump_parts
from ledger.sums import Selection
from tenancy.values.prices import Prices
from tests.ledger.oracle import MemoryLedger
from tests.ledger.test_charges import AT, DEAR, total, used
from tests.ledger.test_conformance import EVERYTHING
from tests.ledger.test_cost import EVERY_PRICE, TIERS

KNOWN = {3: Prices.of_set(EVERY_PRICE, TIERS, version=3), 7: DEAR, 8: Prices.of_set({"input_price": "3"}, version=8)}


async def lines(rows: list[PricedRow], prices: dict[int, Prices]) -> list[PriceLine]:
    ledger, steps = MemoryLedger(), steps_of(prices.values())
    await ledger.append(rows)
    return lines_of(await ledger.at_prices(Selection(), EVERYTHING, steps, 1000), prices, steps)


async def test_each_version_of_prices_has_its_own_lines() -> None:
    dearer = Prices.of_set({"input_price": Decimal(3), "output_price": Decimal("10.5")}, version=8)
    rows = [used(input_tokens=3, output_tokens=1), used(input_tokens=4, output_tokens=0)]
    rows += [used(prices=dearer, input_tokens=5, output_tokens=0)]
    assert await lines(rows, {7: DEAR, 8: dearer}) == [
        PriceLine("mock-model", Rate("input", Decimal(2), 10**6, 7), 7, Decimal("0.000014")),
        PriceLine("mock-model", Rate("input", Decimal(3), 10**6, 8), 5, Decimal("0.000015")),
        PriceLine("mock-model", Rate("output", Decimal("10.5"), 10**6, 7), 1, Decimal("0.0000105")),
    ]


async def test_what_no_price_explains_is_a_line_without_one() -> None:
    changed = used(input_tokens=3, output_tokens=0)._replace(cost=Cost(60_005, 0, 7))
    found = {(each.rate.kind, each.rate.price): each.cost for each in await lines([changed], {7: DEAR})}
    assert found == {
        ("input", Decimal(2)): Decimal("0.000006"),
        ("input", None): Decimal("5E-10"),
        ("output", None): Decimal("7E-10"),
    }
    unknown = await lines([changed], {})
    assert [(each.rate.kind, each.rate.price, each.cost) for each in unknown] == [
        ("input", None, Decimal("0.0000060005")),
        ("output", None, Decimal("7E-10")),
    ]


async def test_lines_of_any_rows_add_up_and_agree_with_the_charges_of_exports() -> None:
    random.seed(13)
    rows = [
        used(
            AT.replace(hour=random.randrange(3)),
            random.choice([None, *KNOWN.values()]),
            model=random.choice(["a", "b"]),
            input_tokens=random.randrange(2000),
            output_tokens=random.randrange(20, 50),
            cached_tokens=random.randrange(100),
            reasoning_tokens=random.randrange(20),
            service_tier=random.choice(["", "batch", "priority", "none that has a price"]),
            parts=random.choice([None, dump_parts(*(random.randrange(9) for _ in PARTS))]),
        )
        for _ in range(500)
    ]
    rows = [row for row in rows if row.usage.cached_tokens <= row.usage.input_tokens]
    found = await lines(rows, KNOWN)
    assert sum(each.cost for each in found) == total(rows) > 0
    assert all(each.rate.price is not None for each in found)
    quantities: dict[tuple[str, Rate], int] = {}
    for charge in charges_of(rows, KNOWN):
        key = (charge.subject.model, charge.rate)
        quantities[key] = quantities.get(key, 0) + charge.quantity
    assert {(each.model, each.rate): each.quantity for each in found} == quantities

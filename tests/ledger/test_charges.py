"""Charges by the hour add up to the costs of the rows, whatever was rounded, and say at which prices."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

from ledger.charges import Charge, Rate, charges_of
from ledger.cost import UNIT_DECIMALS, Cost, PricedRow, priced_row
from ledger.row import PARTS, dump_parts
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.prices import Prices
from tests.accesslog.entries import row
from tests.ledger.test_cost import EVERY_PRICE, TIERS

AT = datetime(2026, 3, 10, 15, 20, 1, tzinfo=UTC)
DEAR = Prices.of_set({"input_price": Decimal(2), "output_price": Decimal("10.5")}, version=7)


def used(at: datetime = AT, prices: Prices | None = DEAR, **changes: object) -> PricedRow:
    made = row(lease_id=mint_lease_id(int(at.timestamp() * 1000)), **{"cached_tokens": 0, **changes})
    return PricedRow(made, Cost()) if prices is None else priced_row(made, prices)


def shown(charges: Iterable[Charge]) -> list[tuple[str, int, str, str]]:
    return [(each.rate.kind, each.quantity, f"{each.cost:f}", f"{each.exact:f}") for each in charges]


def total(rows: Iterable[PricedRow]) -> Decimal:
    return sum((Decimal(sum(each.cost)).scaleb(-UNIT_DECIMALS) for each in rows), Decimal())


def test_an_hour_of_a_key_at_one_price_is_one_charge() -> None:
    rows = [used(input_tokens=3, output_tokens=1), used(input_tokens=4, output_tokens=0)]
    found = charges_of(rows, {7: DEAR})
    assert shown(found) == [
        ("input", 7, "0.0000140000", "0.000014"),
        ("output", 1, "0.0000105000", "0.0000105"),
    ]
    assert [each.requests for each in found] == [2, 1]
    assert found[0].rate == Rate("input", Decimal(2), 1_000_000, 7)
    assert found[0].subject.hour == datetime(2026, 3, 10, 15, tzinfo=UTC)


def test_what_differs_is_charged_apart() -> None:
    later = AT.replace(hour=16)
    rows = [used(), used(later), used(key_id="other"), used(model="other"), used(user_id="bob"), used(prices=None)]
    assert len({each.subject for each in charges_of(rows, {7: DEAR})}) == 5
    assert {each.rate.version for each in charges_of(rows, {7: DEAR})} == {7, None}


def test_rounding_is_part_of_a_charge_and_not_lost() -> None:
    small = Prices.of_set({"input_price": "0.00004999", "cache_write_5m_price": "0.00003"}, version=9)
    rows = [used(prices=small, input_tokens=2, output_tokens=0, parts=dump_parts(1, 0, 0, 0, 0, 0, 0, 0))] * 3
    found = charges_of(rows, {9: small})
    assert sum(each.cost for each in found) == total(rows) == Decimal("3E-10")
    assert sum(each.exact for each in found) == Decimal("2.3997E-10")


def test_a_row_that_its_prices_do_not_explain_keeps_its_costs() -> None:
    changed = used(input_tokens=3)._replace(cost=Cost(5, 0, 7))
    for prices in ({7: DEAR}, {}):
        found = charges_of([changed], prices)
        assert [(each.rate.kind, each.rate.price, each.quantity, each.cost, each.exact) for each in found] == [
            ("input", None, 0, Decimal("5E-10"), Decimal("5E-10")),
            ("output", None, 0, Decimal("7E-10"), Decimal("7E-10")),
        ]


def test_the_tier_whose_prices_held_is_named() -> None:
    prices = Prices.of_set(EVERY_PRICE, TIERS, version=3)
    rows = [used(prices=prices, input_tokens=501, service_tier="batch")]
    rates = {each.rate for each in charges_of(rows, {3: prices})}
    assert {(each.service_tier, each.above_input_tokens) for each in rates} == {("batch", 500)}


def test_charges_of_any_rows_add_up_to_the_ledger() -> None:
    random.seed(13)
    prices = Prices.of_set(EVERY_PRICE, TIERS, version=3)
    rows = [
        used(
            AT.replace(hour=random.randrange(3)),
            prices,
            input_tokens=random.randrange(2000),
            output_tokens=random.randrange(50),
            cached_tokens=random.randrange(100),
            reasoning_tokens=random.randrange(20),
            service_tier=random.choice(["", "batch", "priority"]),
            parts=dump_parts(*(random.randrange(9) for _ in PARTS)),
        )
        for _ in range(500)
    ]
    found = charges_of(rows, {3: prices})
    assert sum(each.cost for each in found) == total(rows) > 0
    for each in found:
        assert each.rate.price is not None
        assert each.exact == each.rate.price * each.quantity / each.rate.per

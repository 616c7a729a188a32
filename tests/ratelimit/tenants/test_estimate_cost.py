"""What a request may cost in money: the dearest that its model's prices allow, and never less than its end can cost."""

import random

import pytest

from ledger.cost import cost_of, in_millionths
from ledger.row import dump_parts
from ratelimit.tenants.estimates.cost import dearest_of, estimated_cost
from ratelimit.tenants.estimates.estimate import Estimate
from tenancy.values.prices import PRICE_FIELDS, Prices
from tests.accesslog.entries import row

BASE = {"input_price": "1", "output_price": "10"}


@pytest.mark.parametrize(
    ("named", "tiers", "estimate", "cost"),
    [
        (BASE, [], Estimate(0, 100, 20), 100 + 200),
        (BASE, [], Estimate(0, 100, 0, 20), 100 + 200),
        ({**BASE, "cached_price": "0.1", "cache_write_1h_price": "2"}, [], Estimate(0, 100, 20), 200 + 200),
        ({**BASE, "reasoning_price": "11"}, [], Estimate(0, 100, 20), 100 + 220),
        ({**BASE, "request_price": "0.5"}, [], Estimate(0, 100, 20), 500_000 + 300),
        ({**BASE, "image_price": "0.04", "image_output_price": "40"}, [], Estimate(0, 100, 20), 300),
        ({**BASE, "image_price": "0.04", "image_output_price": "40"}, [], Estimate(0, 100, 20, 0, 3), 120_900),
        ({**BASE, "audio_input_price": "9"}, [], Estimate(0, 100, 20), 300),
        ({**BASE, "audio_input_price": "9"}, [], Estimate(0, 100, 20, sound=True), 1100),
        ({**BASE, "audio_output_price": "12"}, [], Estimate(0, 100, 20), 300),
        ({**BASE, "audio_output_price": "12"}, [], Estimate(0, 100, 0, 20, spoken=True), 340),
        (BASE, [{"service_tier": "batch", "input_price": "0.5", "output_price": "5"}], Estimate(0, 100, 20), 300),
        (BASE, [{"service_tier": "priority", "input_price": "2"}], Estimate(0, 100, 20), 400),
        (BASE, [{"above_input_tokens": 100, "input_price": "2"}], Estimate(0, 100, 20), 300),
        (BASE, [{"above_input_tokens": 100, "input_price": "2"}], Estimate(0, 101, 20), 402),
        ({"input_price": "0.1"}, [], Estimate(0, 1), 1),  # rounded up
    ],
)
def test_the_dearest_that_may_be(
    named: dict[str, str], tiers: list[dict[str, object]], estimate: Estimate, cost: int
) -> None:
    assert estimated_cost(dearest_of(Prices.of_set(named, tiers)), estimate) == cost


def test_a_model_without_prices_is_free() -> None:
    assert estimated_cost(dearest_of(None), Estimate(0, 100, 100, 0, 1)) == 0


def test_no_answer_within_its_estimate_costs_more() -> None:
    """Of text, in any tier, read from or written into any cache.  By whole millionths, so that no rounding blurs it."""
    chance = random.Random(3)
    of_text = [field for field in PRICE_FIELDS if "audio" not in field and "image" not in field]
    for _ in range(300):
        named = {field: str(chance.randrange(1, 50)) for field in of_text if chance.random() < 0.7}
        tiers = [
            {
                "service_tier": tier,
                "above_input_tokens": above,
                **{field: str(chance.randrange(1, 50)) for field in of_text},
            }
            for tier in (None, "batch", "priority")
            for above in (500, None)
            if chance.random() < 0.5 and (tier or above)
        ]
        prices = Prices.of_set(named, tiers)
        input_tokens, output_tokens = chance.randrange(1000), chance.randrange(1000)
        used = row(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_tokens=chance.randrange(input_tokens + 1),
            reasoning_tokens=chance.randrange(output_tokens + 1),
            parts=dump_parts(chance.randrange(300), chance.randrange(300), 0, 0, 0, 0, 0, 0),
            service_tier=chance.choice(["", "batch", "priority", "flex"]),
        )
        estimate = Estimate(0, input_tokens, output_tokens)
        read_for_less = prices.rates("", 0).cached <= prices.rates("", 0).input
        if read_for_less and all(step.rates.cached <= step.rates.input for step in prices.steps):
            assert in_millionths(cost_of(used, prices)) <= estimated_cost(dearest_of(prices), estimate)

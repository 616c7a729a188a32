"""What a request may cost in money, before it runs: the dearest that its model's prices allow for its estimate.  Pure.

The service tier, and what is written into a cache, are known only after; what was reserved too much comes back then.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ratelimit.budgets.rule import SCALE
from ratelimit.tenants.estimates.estimate import Estimate
from tenancy.values.prices import Prices, Rates


class Dearest(NamedTuple):
    """Prices of requests with at least `least` input tokens, in millionths of the currency: of a million tokens, and of
    one image and one request.  `sound`: of the input of a request with sound in it; `drawn`: of the output of one that
    makes images; `spoken`: of one that makes speech."""

    least: int
    input: int
    output: int
    sound: int
    drawn: int
    image: int
    request: int
    spoken: int


def dearest_of(prices: Prices | None) -> tuple[Dearest, ...]:
    """In order of falling `least`, down to 0; empty: free."""
    if prices is None:
        return ()
    if not prices.steps:
        return (_dearest(0, [prices.standard]),)
    tiers = {step.service_tier for step in prices.steps}
    bounds = sorted({step.least for step in prices.steps}, reverse=True)
    return tuple(_dearest(least, [prices.rates(tier, least) for tier in tiers]) for least in bounds)


def estimated_cost(prices: Sequence[Dearest], estimate: Estimate) -> int:
    """In millionths of the currency, rounded up."""
    found = next((each for each in prices if estimate.input_tokens >= each.least), None)
    if found is None:
        return 0
    of_input, of_output = found.input, found.output
    if estimate.sound:
        of_input = max(of_input, found.sound)
    if estimate.images:
        of_output = max(of_output, found.drawn)
    if estimate.spoken:
        of_output = max(of_output, found.spoken)
    tokens = estimate.input_tokens * of_input + estimate.output_tokens * of_output
    return -(-tokens // SCALE) + estimate.images * found.image + found.request


def _dearest(least: int, rates: Sequence[Rates]) -> Dearest:
    each = [rate.in_millionths() for rate in rates]
    return Dearest(
        least,
        max(max(rate.input, rate.cache_write_5m, rate.cache_write_1h) for rate in each),
        max(max(rate.output, rate.reasoning) for rate in each),
        max(rate.audio_input for rate in each),
        max(rate.image_output for rate in each),
        max(rate.image for rate in each),
        max(rate.request for rate in each),
        max(rate.audio_output for rate in each),
    )

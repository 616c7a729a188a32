"""What a model costs: a price for each kind of thing that a request uses, to the last decimal of the registry.  Pure.

An operator names some of the prices (a price set, fields by name); here every kind gets one.  A part that has no price
of its own costs what the whole costs that it is a part of.  What a request costs at these prices is ledger/cost.py;
how budgets count them is ratelimit's business.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from tenancy.values.trailing import filled

MICRO = 1_000_000  # a price for a million tokens in the currency is as many millionths of it a token
SCALE = 100_000_000  # a price has at most 8 decimals, in the API and in the registry


class Rates(NamedTuple):
    """Of a million tokens of each kind, and at the end of one image made, one request and one search; in
    hundred-millionths of the currency, 0 is free.  Travels between processes: grows at its end."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    image_input: int = 0
    image_output: int = 0
    image: int = 0
    request: int = 0
    search: int = 0

    def in_millionths(self) -> "Rates":
        """The same in millionths of the currency; half a millionth is rounded up."""
        return Rates(*map(_rounded, self))


KINDS = Rates._fields
PRICE_FIELDS = tuple(f"{kind}_price" for kind in KINDS)
SERVICE_TIER, ABOVE, TIERS = "service_tier", "above_input_tokens", "price_tiers"
# Where a kind without a price takes its price from: the first of these that has one.
WHOLES = {
    "cached": ("input",),
    "cache_write_5m": ("input",),
    "cache_write_1h": ("cache_write_5m", "input"),
    "audio_input": ("input",),
    "image_input": ("input",),
    "reasoning": ("output",),
    "audio_output": ("output",),
    "image_output": ("output",),
}
NOTHING = Rates()


class Step(NamedTuple):
    """The rates of requests with at least `least` input tokens, in a service tier; "": in any without its own steps."""

    service_tier: str
    least: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class Prices:
    """`steps` are in order of tier and, within one, of falling `least`, down to 0.  `version` names the price set in
    the registry's history; 0: it is not known there."""

    standard: Rates
    steps: tuple[Step, ...] = ()
    version: int = 0

    @staticmethod
    def of(
        input_price: Decimal | None, output_price: Decimal | None = None, cached_price: Decimal | None = None
    ) -> "Prices":
        """From prices in the currency."""
        return Prices.of_set({"input_price": input_price, "output_price": output_price, "cached_price": cached_price})

    @staticmethod
    def of_set(named: Mapping[str, Any], price_tiers: Sequence[Mapping[str, Any]] = (), version: int = 0) -> "Prices":
        """Of a price set: prices in the currency by PRICE_FIELDS, as Decimals or text; tiers with the same fields,
        SERVICE_TIER and ABOVE.  What a tier does not name is as without it."""
        base = {kind: named.get(f"{kind}_price") for kind in KINDS}
        return Prices(_resolved(base), tuple(_steps(base, price_tiers)), version)

    @staticmethod
    def read(text: str, version: int = 0) -> "Prices":
        """A price set as JSON, with its tiers in TIERS."""
        named = json.loads(text, parse_float=Decimal)
        return Prices.of_set(named, named.get(TIERS, ()), version)

    @staticmethod
    def of_millionths(input_: int, output: int = 0, cached: int | None = None) -> "Prices":
        hundred = SCALE // MICRO
        return Prices.plain(input_ * hundred, output * hundred, None if cached is None else cached * hundred)

    @staticmethod
    def plain(input_: int, output: int = 0, cached: int | None = None) -> "Prices":
        """From prices in hundred-millionths of the currency."""
        return Prices(_completed({"input": input_, "output": output, "cached": cached}))

    def rates(self, service_tier: str, input_tokens: int) -> Rates:
        """The rates that apply to a request."""
        step = self.step(service_tier, input_tokens)
        return self.standard if step is None else step.rates

    def step(self, service_tier: str, input_tokens: int) -> Step | None:
        """The step that applies to a request; None without any."""
        known = any(step.service_tier == service_tier for step in self.steps)
        tier = service_tier if known else ""
        return next((step for step in self.steps if step.service_tier == tier and input_tokens >= step.least), None)

    def in_millionths(self) -> tuple[int, int, int]:
        """Input, output and cached rates without a tier."""
        rates = self.standard.in_millionths()
        return rates.input, rates.output, rates.cached

    def row(self) -> list[Any]:
        """As it travels: `[version, rates, [service tier, least, rates], …]`."""
        return [self.version, self.standard, *self.steps]

    @staticmethod
    def of_row(row: Sequence[Any]) -> "Prices":
        """What `row` wrote, in this version or another; ValueError or TypeError for anything else."""
        version, standard, *steps = row
        read = (Step(str(tier), int(least), _rates(each)) for tier, least, each, *_ in steps)
        return Prices(_rates(standard), tuple(read), int(version))


FREE = Prices(NOTHING)


def _resolved(named: Mapping[str, Any]) -> Rates:
    """From prices in the currency, as numbers or text."""
    return _completed({kind: None if price is None else _scaled(Decimal(price)) for kind, price in named.items()})


def _completed(known: Mapping[str, int | None]) -> Rates:
    def price(kind: str) -> int:
        candidates = (known.get(each) for each in (kind, *WHOLES.get(kind, ())))
        return next((each for each in candidates if each is not None), 0)

    return Rates(*map(price, KINDS))


def _steps(base: Mapping[str, Any], tiers: Sequence[Mapping[str, Any]]) -> Iterable[Step]:
    """A request that two tiers fit has the prices of both: those of its service tier count more than those of long
    input, those for more input more than those for less."""
    if not tiers:
        return
    for service_tier in sorted({"", *(tier.get(SERVICE_TIER) or "" for tier in tiers)}):
        fitting = [tier for tier in tiers if (tier.get(SERVICE_TIER) or "") in ("", service_tier)]
        fitting.sort(key=lambda tier: (bool(tier.get(SERVICE_TIER)), tier.get(ABOVE) or 0))
        for least in sorted({0, *(_least(tier) for tier in fitting)}, reverse=True):
            prices = dict(base)
            for tier in fitting:
                if _least(tier) <= least:
                    prices |= {kind: tier[f"{kind}_price"] for kind in KINDS if tier.get(f"{kind}_price") is not None}
            yield Step(service_tier, least, _resolved(prices))


def _least(tier: Mapping[str, Any]) -> int:
    """The least number of input tokens that the tier applies to."""
    above = tier.get(ABOVE)
    return 0 if above is None else int(above) + 1


def _rates(row: Sequence[Any]) -> Rates:
    return Rates(*map(int, filled(row, NOTHING)))


def _scaled(price: Decimal) -> int:
    return int((price * SCALE).to_integral_value(ROUND_HALF_UP))


def _rounded(price: int) -> int:
    hundred = SCALE // MICRO
    return (price + hundred // 2) // hundred

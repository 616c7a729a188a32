"""The prices of one model in a list: fields of the API (`input_price`, …, `price_tiers`), as it takes them."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Protocol

from tenancy.values.prices import ABOVE, PRICE_FIELDS, SERVICE_TIER, TIERS

DECIMALS = Decimal("1e-8")
HIGHEST = Decimal(10) ** 12
PriceSet = dict[str, Any]
Tier = tuple[str, int]  # service tier ("": any), and above how many input tokens (0: any)


class PriceList(Protocol):
    """`name` says which list, and which version of it."""

    name: str

    def find(self, model: str) -> tuple[str, PriceSet] | None:
        """What the list calls the model, and its prices; None if it does not have it."""


class Prices:
    """Collects prices; those that the API would not take are left out."""

    def __init__(self) -> None:
        self._by_tier: dict[Tier, dict[str, str]] = {}

    def add(self, field: str, price: object, factor: int = 1, tier: Tier = ("", 0)) -> None:
        """`field` without `_price`; `factor` makes it the price of what the API asks for."""
        if isinstance(price, bool) or not isinstance(price, int | float | Decimal):
            return
        exact = Decimal(str(price)) * factor
        if exact.is_finite() and 0 <= exact < HIGHEST:
            self._by_tier.setdefault(tier, {})[f"{field}_price"] = text_of(exact)

    def price_set(self) -> PriceSet:
        base: PriceSet = dict(self._by_tier.get(("", 0), {}))
        tiers = [
            {**({SERVICE_TIER: name} if name else {}), **({ABOVE: above} if above else {}), **prices}
            for (name, above), prices in sorted(self._by_tier.items())
            if name or above
        ]
        return {**base, TIERS: tiers} if tiers else base


def text_of(price: Decimal) -> str:
    return f"{price.quantize(DECIMALS, ROUND_HALF_UP).normalize():f}"


def flat(fields: Mapping[str, Any]) -> dict[str, str]:
    """Every price by a name of its own, such as `input_price` or `batch above 200000: input_price`; of a price set, or
    of a model as the API shows it."""
    found = {field: text_of(Decimal(fields[field])) for field in PRICE_FIELDS if fields.get(field) is not None}
    for tier in fields.get(TIERS) or ():
        above = f"above {tier[ABOVE]}" if tier.get(ABOVE) else ""
        name = " ".join(filter(None, (tier.get(SERVICE_TIER), above)))
        found |= {f"{name}: {field}": text_of(Decimal(tier[field])) for field in PRICE_FIELDS if tier.get(field)}
    return found

"""Prices in the shared copy of the model catalog, also readable for versions that know only three of them.  Pure."""

from collections.abc import Mapping
from typing import Any

from tenancy.values.prices import MICRO, SCALE, Prices

KNOWN_BEFORE = 3  # input, output, cached


def dump_prices(prices: Prices | None) -> dict[str, object]:
    if prices is None:
        return {}
    rounded, exact = prices.in_millionths(), prices.standard[:KNOWN_BEFORE]
    same = all(each == price * SCALE // MICRO for each, price in zip(exact, rounded, strict=True))
    before: dict[str, object] = {"prices": rounded} if same else {"prices": rounded, "exact_prices": exact}
    return {**before, "price_set": prices.row()}


def load_prices(model: Mapping[str, Any]) -> Prices:
    """Reads prices.  A version that knew only three wrote 0 for a missing cached price, which means the input price."""
    if "price_set" in model:
        return Prices.of_row(model["price_set"])
    if "exact_prices" in model:
        input_, output, cached = map(int, model["exact_prices"][:KNOWN_BEFORE])
        return Prices.plain(input_, output, cached or None)
    input_, output, cached, *_ = *map(int, model["prices"]), 0, 0
    return Prices.of_millionths(input_, output, cached or None)

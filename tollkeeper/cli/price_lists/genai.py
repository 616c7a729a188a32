"""The list in the package genai-prices: dollars a million tokens, as of the release that is installed."""

from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.price_lists.entry import Prices, PriceSet

PACKAGE = "genai-prices"
FIELDS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "audio_input",
    "output_audio_mtok": "audio_output",
    "input_image_mtok": "image_input",
    "output_image_mtok": "image_output",
}
REQUESTS, THOUSAND = "requests_kcount", 1000
# By what a variant holds for, the service tier that we know it by.
BATCH = {"processing": "batch"}


class GenaiPrices:
    """A model by the name that requests ask for, with or without `provider/` in front; of a version that the list does
    not tell apart, by the model that it is one of."""

    def __init__(self) -> None:
        try:
            from genai_prices.data_snapshot import get_snapshot
        except ImportError:
            says = f"the price list is in the package {PACKAGE}: install tollkeeper[prices], or give one with --file"
            raise CommandFailed(Exit.USAGE, says) from None
        self.name = f"{PACKAGE} {version(PACKAGE)}"
        self._snapshot, self._now = get_snapshot(), datetime.now(UTC)

    def find(self, model: str) -> tuple[str, PriceSet] | None:
        provider, slash, name = model.partition("/")
        for reference, provider_id in ((model, None), *([(name, provider.lower())] if slash else [])):
            try:
                of, info = self._snapshot.find_provider_model(reference, None, provider_id, None)
            except LookupError:
                continue
            if prices := self._price_set(info):
                return f"{of.id}/{info.id}", prices
        return None

    def _price_set(self, info: Any) -> PriceSet:
        prices = Prices()
        _add(prices, info.get_prices(self._now), "")
        for variant in info.price_variants or ():
            tier = "batch" if variant.when == BATCH else variant.when.get("service_tier", "")
            if tier and len(variant.when) == 1 and (variant.constraint is None or variant.constraint.active(self._now)):
                _add(prices, variant.prices, tier)
        return prices.price_set()


def _add(prices: Prices, found: Any, tier: str) -> None:
    for field, kind in FIELDS.items():
        price = getattr(found, field, None)
        prices.add(kind, getattr(price, "base", price), tier=(tier, 0))
        for step in getattr(price, "tiers", ()):
            prices.add(kind, step.price, tier=(tier, step.start))
    per_thousand = getattr(found, REQUESTS, None)
    if isinstance(per_thousand, Decimal):
        prices.add("request", per_thousand / THOUSAND, tier=(tier, 0))

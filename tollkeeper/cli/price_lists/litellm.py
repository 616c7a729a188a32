"""A file in the format of LiteLLM's `model_prices_and_context_window.json`: dollars a token, tiers in the names."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.price_lists.entry import Prices, PriceSet

MAX_BYTES = 64 * 1024 * 1024
MILLION = 1_000_000
FIELDS = {
    "input_cost_per_token": ("input", MILLION),
    "output_cost_per_token": ("output", MILLION),
    "cache_read_input_token_cost": ("cached", MILLION),
    "cache_creation_input_token_cost": ("cache_write_5m", MILLION),
    "cache_creation_input_token_cost_above_1hr": ("cache_write_1h", MILLION),
    "output_cost_per_reasoning_token": ("reasoning", MILLION),
    "input_cost_per_audio_token": ("audio_input", MILLION),
    "output_cost_per_audio_token": ("audio_output", MILLION),
    "input_cost_per_image_token": ("image_input", MILLION),
    "output_cost_per_image_token": ("image_output", MILLION),
    "output_cost_per_image": ("image", 1),
    "input_cost_per_request": ("request", 1),
    "input_cost_per_query": ("search", 1),
}
NAME = re.compile(
    rf"({'|'.join(sorted(FIELDS, key=len, reverse=True))})"
    r"(?:_above_(\d{1,6})k_tokens)?(?:_(batches|priority|flex|balanced|ultrafast))?"
)
SERVICE_TIERS = {"batches": "batch"}


class LitellmFile:
    """Models by the names of the file, then by those without the provider in front."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ValueError(f"more than {MAX_BYTES} bytes")
            models = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        except (OSError, ValueError, RecursionError) as error:
            raise CommandFailed(Exit.USAGE, f"--file {path}: {error}") from None
        if not isinstance(models, dict) or not any(isinstance(each, dict) for each in models.values()):
            raise CommandFailed(Exit.USAGE, f"--file {path}: not a JSON object of models, as LiteLLM has it")
        self._models: dict[str, Any] = models

    def find(self, model: str) -> tuple[str, PriceSet] | None:
        fields = self._models.get(model)
        found = price_set_of(fields) if isinstance(fields, dict) else {}
        return (model, found) if found else None


def price_set_of(fields: dict[str, Any]) -> PriceSet:
    prices = Prices()
    for name, price in fields.items():
        if match := NAME.fullmatch(name):
            field, above, tier = match.groups()
            prices.add(*_priced(field, price), tier=(SERVICE_TIERS.get(tier, tier or ""), int(above or 0) * 1000))
    ranges = fields.get("tiered_pricing")
    for each in ranges if isinstance(ranges, list) else ():
        _add_range(prices, each)
    return prices.price_set()


def _add_range(prices: Prices, of: object) -> None:
    """`{"range": [from, to], "input_cost_per_token": …}`."""
    bounds = of.get("range") if isinstance(of, dict) else None
    if not isinstance(of, dict) or not isinstance(bounds, list) or not bounds:
        return
    first = bounds[0]
    if isinstance(first, int | Decimal) and 0 <= first <= 10**9:
        for field in FIELDS:
            prices.add(*_priced(field, of.get(field)), tier=("", int(first)))


def _priced(field: str, price: object) -> tuple[str, object, int]:
    kind, factor = FIELDS[field]
    return kind, price, factor

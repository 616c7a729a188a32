"""What a request costs: what it used at the prices of its model, put into its row before that is appended.  Pure.

Whole numbers: exact, and a tenth of what Decimals cost on the way into a database.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ledger.row import UsageRow, UsageSource, load_parts
from tenancy.values.prices import MICRO, SCALE, Prices, Rates

PriceList = Mapping[str, Prices]  # by model; one that is not in it is free
UNIT_DECIMALS = 10  # a cost is kept to this many decimals of the currency
TOKENS_PRICED = 1_000_000
_DIVISOR = TOKENS_PRICED * SCALE // 10**UNIT_DECIMALS
_HALF = _DIVISOR // 2
_UNITS_A_MILLIONTH = int(10**UNIT_DECIMALS) // MICRO
PER_ONE = frozenset({"image", "request", "search"})  # the kinds that have a price for each, not for a million


class Cost(NamedTuple):
    """In units of 10^-UNIT_DECIMALS of the currency.  `input` is for the input that was not read from a cache, `output`
    also for images, searches and the request as such."""

    input: int = 0
    cached: int = 0
    output: int = 0


class PricedRow(NamedTuple):
    """A row as the ledger keeps it: what was used, what that cost at the prices of the moment, and which those were.
    `saved`: what the tokens that it saved would have cost, in the units of Cost."""

    usage: UsageRow
    cost: Cost
    price_version: int | None = None
    saved: int = 0


# What an adapter keeps of a PricedRow, in this order; costs as decimals of the currency.
COST_COLUMNS = tuple(f"{name}_cost" for name in (*Cost._fields, "saved"))
COLUMNS = (*UsageRow._fields, "price_version", *COST_COLUMNS)
NO_COST = Cost()
# The kinds of Rates that each cost is made of.
COST_OF = (
    ("input", "cache_write_5m", "cache_write_1h", "audio_input", "image_input"),
    ("cached",),
    ("output", "reasoning", "audio_output", "image_output", "image", "request", "search"),
)


def priced(rows: Iterable[UsageRow], prices: PriceList) -> list[PricedRow]:
    """Freezes these prices into the rows."""
    get = prices.get
    return [PricedRow(row, NO_COST) if (each := get(row.model)) is None else priced_row(row, each) for row in rows]


def priced_row(row: UsageRow, prices: Prices) -> PricedRow:
    cost = cost_of(row, prices)
    return PricedRow(row, cost, prices.version or None, saved_by(row, cost, prices))


def saved_by(row: UsageRow, cost: Cost, prices: Prices) -> int:
    """What the answer would have cost beyond `cost`, had a model made it for this request."""
    if not row.saved_input_tokens and not row.saved_output_tokens:
        return 0
    made = row._replace(
        input_tokens=row.input_tokens + row.saved_input_tokens,
        output_tokens=row.output_tokens + row.saved_output_tokens,
        usage_source=UsageSource.REPORTED,
    )
    return sum(cost_of(made, prices)) - sum(cost)


def cost_of(row: UsageRow, prices: Prices) -> Cost:
    """Half a unit is rounded up."""
    rates = prices.rates(row.service_tier, row.input_tokens) if prices.steps else prices.standard
    if row.parts is not None:
        return _cost_of_all(quantities_of(row), rates)
    cached, reasoning = row.cached_tokens, row.reasoning_tokens
    output = (row.output_tokens - reasoning) * rates.output + reasoning * rates.reasoning
    if rates.request and row.usage_source != UsageSource.NONE:
        output += rates.request * TOKENS_PRICED
    return Cost(
        ((row.input_tokens - cached) * rates.input + _HALF) // _DIVISOR,
        (cached * rates.cached + _HALF) // _DIVISOR,
        (output + _HALF) // _DIVISOR,
    )


def row_of(columns: Iterable[Any]) -> PricedRow:
    """Reads a row from values of COLUMNS."""
    id_, *values = columns
    *usage, version = values[: -len(COST_COLUMNS)]
    *units, saved = (int(cost.scaleb(UNIT_DECIMALS)) for cost in values[-len(COST_COLUMNS) :])
    return PricedRow(UsageRow(str(id_), *usage), Cost(*units), version, saved)


def in_millionths(cost: Cost) -> int:
    """The whole cost in millionths of the currency, rounded up."""
    return -(-sum(cost) // _UNITS_A_MILLIONTH)


def quantities_of(row: UsageRow) -> Rates:
    """How much of each kind is charged: no token twice.  Of tokens that are several things, the first counts: read from
    a cache, written into one, sound, image; of the output sound, image, reasoning."""
    parts = load_parts(row.parts)
    found = {"cached": row.cached_tokens}
    left = row.input_tokens - row.cached_tokens
    for kind in ("cache_write_1h", "cache_write_5m", "audio_input", "image_input"):
        found[kind] = min(parts.get(kind, 0), left)
        left -= found[kind]
    found["input"], left = left, row.output_tokens
    for kind, tokens in (
        ("audio_output", parts.get("audio_output", 0)),
        ("image_output", parts.get("image_output", 0)),
        ("reasoning", row.reasoning_tokens),
    ):
        found[kind] = min(tokens, left)
        left -= found[kind]
    ran = row.usage_source != UsageSource.NONE
    each = {"image": parts.get("images", 0), "request": int(ran), "search": parts.get("searches", 0)}
    return Rates(**found, **each, output=left)


def _cost_of_all(quantities: Rates, rates: Rates) -> Cost:
    each = {
        kind: quantity * price * (TOKENS_PRICED if kind in PER_ONE else 1)
        for kind, quantity, price in zip(Rates._fields, quantities, rates, strict=True)
    }
    return Cost(*((sum(each[kind] for kind in kinds) + _HALF) // _DIVISOR for kinds in COST_OF))

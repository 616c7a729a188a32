"""What a request's tokens cost.  Pure.  ledger_postgres.py says the same in SQL, where prices are frozen into rows."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from ledger.row import UsageRow

TOKENS_PRICED = 1_000_000  # prices are per million tokens
PLACES = Decimal("1e-10")  # scale of the ledger's cost columns


@dataclass(frozen=True, slots=True)
class Price:
    """Of one model, per million tokens, in whatever currency the operator thinks in.  None: free."""

    input: Decimal | None = None
    cached: Decimal | None = None
    output: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """`input` is for the input tokens that were not cached."""

    input: Decimal = Decimal()
    cached: Decimal = Decimal()
    output: Decimal = Decimal()


def cost_of(row: UsageRow, price: Price) -> Cost:
    """Exact to PLACES."""
    return Cost(
        _cost(row.input_tokens - row.cached_tokens, price.input),
        _cost(row.cached_tokens, price.cached),
        _cost(row.output_tokens, price.output),
    )


def _cost(tokens: int, price: Decimal | None) -> Decimal:
    return Decimal() if price is None else (tokens * price / TOKENS_PRICED).quantize(PLACES, ROUND_HALF_UP)

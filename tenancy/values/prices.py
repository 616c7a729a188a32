"""What a model's tokens cost, as budgets count it.  Pure; no I/O."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

MICRO = 1_000_000  # a price for a million tokens in the currency is as many millionths of it a token


@dataclass(frozen=True, slots=True)
class Prices:
    """Of one input, output and cached input token, in millionths of a millionth of the currency; 0 is free.  A price
    with more than six decimals (for a million tokens) is rounded."""

    input: int = 0
    output: int = 0
    cached: int = 0

    @staticmethod
    def of(input_price: Decimal | None, output_price: Decimal | None, cached_price: Decimal | None) -> "Prices":
        """From prices for a million tokens; None is free."""
        return Prices(_scaled(input_price), _scaled(output_price), _scaled(cached_price))


FREE = Prices()


def _scaled(price: Decimal | None) -> int:
    return 0 if price is None else int((price * MICRO).to_integral_value(ROUND_HALF_UP))

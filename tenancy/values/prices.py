"""What a model's tokens cost, in the units that budgets count.  Pure; no I/O."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

MICRO = 1_000_000  # a price per million tokens is as many millionths of the currency per token


@dataclass(frozen=True, slots=True)
class Prices:
    """Of one input, output and cached input token, in millionths of a millionth of the currency; 0 is free.  A price
    per million tokens with more than six decimals is rounded."""

    input: int = 0
    output: int = 0
    cached: int = 0

    @staticmethod
    def of(input_price: Decimal | None, output_price: Decimal | None, cached_price: Decimal | None) -> "Prices":
        """From prices per million tokens; None is free."""
        return Prices(_scaled(input_price), _scaled(output_price), _scaled(cached_price))


FREE = Prices()


def _scaled(price: Decimal | None) -> int:
    return 0 if price is None else int((price * MICRO).to_integral_value(ROUND_HALF_UP))

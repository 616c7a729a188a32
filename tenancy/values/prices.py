"""What a model's tokens cost, to the last decimal that the registry keeps.  Pure.

What a request costs at these prices is ledger/cost.py; how budgets count them is ratelimit's business.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

MICRO = 1_000_000  # a price for a million tokens in the currency is as many millionths of it a token
SCALE = 100_000_000  # a price has at most 8 decimals, in the API and in the registry


@dataclass(frozen=True, slots=True)
class Prices:
    """Of a million input, output and cached input tokens, in hundred-millionths of the currency; 0 is free."""

    input: int = 0
    output: int = 0
    cached: int = 0

    @staticmethod
    def of(input_price: Decimal | None, output_price: Decimal | None, cached_price: Decimal | None) -> "Prices":
        """From prices in the currency; None is free."""
        return Prices(_scaled(input_price), _scaled(output_price), _scaled(cached_price))

    @staticmethod
    def of_millionths(input_: int, output: int = 0, cached: int = 0) -> "Prices":
        hundred = SCALE // MICRO
        return Prices(input_ * hundred, output * hundred, cached * hundred)

    def in_millionths(self) -> tuple[int, int, int]:
        """Input, output, cached, in millionths of the currency; half a millionth is rounded up."""
        return _rounded(self.input), _rounded(self.output), _rounded(self.cached)


FREE = Prices()


def _scaled(price: Decimal | None) -> int:
    return 0 if price is None else int((price * SCALE).to_integral_value(ROUND_HALF_UP))


def _rounded(price: int) -> int:
    hundred = SCALE // MICRO
    return (price + hundred // 2) // hundred

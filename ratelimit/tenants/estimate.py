"""The estimated cost of a request in tokens, before it runs.  Pure; no I/O.

The estimate is what is reserved; what was used is settled later.  Numbers come from a client's body as text: whatever
they are, the result is a whole number within bounds.
"""

import re
from collections.abc import Iterable
from math import ceil
from typing import NamedTuple

# English text in the usual tokenizers has about four bytes a token; the JSON around it is counted with it.
BYTES_PER_TOKEN = 4
# No model takes as many; keeps every sum exact in Lua's doubles.
MAX_TOKENS = 2**31 - 1
MAX_CHOICES = 1024
MAX_NUMBER = 64  # characters; longer digits are MAX_TOKENS, anything else is no number that a model server takes
NUMBER = re.compile(r"\d+(\.\d*)?([eE][+-]?\d{1,3})?", re.ASCII)


class Estimate(NamedTuple):
    """`tokens` is the whole cost.  `output_cap`: the output that the request itself allows, 0 if it sets no cap; then
    `assumed_output` is expected."""

    tokens: int
    input_tokens: int = 0
    output_cap: int = 0
    assumed_output: int = 0

    @property
    def output_tokens(self) -> int:
        return self.output_cap or self.assumed_output


NOTHING = Estimate(0)


def estimate(
    body_bytes: int,
    output_bounds: Iterable[str],
    choices: str,
    *,
    default_output: int,
    smallest: int | None,
) -> Estimate:
    """The cost of a request that produces text.

    `output_bounds`: whatever of max_tokens, max_completion_tokens and max_output_tokens it gives; the largest counts.
    `choices`: its `n`, which multiplies the output.  Without an output cap `default_output` (of each choice) is assumed
    and the whole is clamped to `smallest`, the smallest capacity; otherwise the request could never be admitted.  One
    that sets a cap is held to it.
    """
    input_tokens = input_estimate(body_bytes)
    count = min(max(1, parse_count(choices) or 1), MAX_CHOICES)
    given = [tokens for text in output_bounds if (tokens := parse_count(text)) is not None]
    if given:
        output_cap = max(given) * count
        return Estimate(input_tokens + output_cap, input_tokens, output_cap)
    assumed = default_output * count
    return Estimate(_at_most(input_tokens + assumed, smallest), input_tokens, assumed_output=assumed)


def estimate_input(body_bytes: int, *, smallest: int | None) -> Estimate:
    """The cost of a request that produces no text, such as embeddings, or that may not produce any."""
    input_tokens = input_estimate(body_bytes)
    return Estimate(_at_most(input_tokens, smallest), input_tokens)


def input_estimate(body_bytes: int) -> int:
    return min(-(-body_bytes // BYTES_PER_TOKEN), MAX_TOKENS)


def parse_count(text: str) -> int | None:
    """A count as JSON or a JSON string gives it, rounded up, at most MAX_TOKENS; None if absent, negative or not a
    number."""
    if text.isascii() and text.isdigit():
        return min(int(text), MAX_TOKENS) if len(text) <= MAX_NUMBER else MAX_TOKENS
    if len(text) > MAX_NUMBER or NUMBER.fullmatch(text) is None:
        return None
    number = float(text)  # `inf` at most: the exponent has three digits
    return MAX_TOKENS if number > MAX_TOKENS else ceil(number)


def _at_most(tokens: int, bound: int | None) -> int:
    return tokens if bound is None else min(tokens, bound)

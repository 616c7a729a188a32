"""The estimated cost of a request in tokens, before it runs.  Pure; no I/O.

The estimate is what is reserved; what was used is settled later.  Numbers come from a client's body as text: whatever
they are, the result is a whole number within bounds.
"""

import re
from math import ceil

from msgspec import Struct

# English text in the usual tokenizers has about four bytes a token; the JSON around it is counted with it.
BYTES_PER_TOKEN = 4
# No model takes more; keeps every sum exact in Lua's doubles.
MAX_TOKENS = 2**31 - 1
MAX_NUMBER = 64  # characters; longer digits count as MAX_TOKENS, anything else is no number that a model server takes
NUMBER = re.compile(r"\d+(\.\d*)?([eE][+-]?\d{1,3})?", re.ASCII)


class Estimate(Struct, frozen=True, gc=False):
    """`tokens` is the whole cost.  `output_cap`: the output that the request itself allows, 0 if it sets no cap; then
    `assumed_output` is expected.  `images`: how many it is to make; `sound`: whether there is any in the input.
    `uncorrected`: what an input of text alone was taken for before it was corrected, None if it was not; 0 for another
    input.  `spoken`: whether there is any in the output."""

    tokens: int
    input_tokens: int = 0
    output_cap: int = 0
    assumed_output: int = 0
    images: int = 0
    sound: bool = False
    uncorrected: int | None = None
    spoken: bool = False

    @property
    def output_tokens(self) -> int:
        return self.output_cap or self.assumed_output


NOTHING = Estimate(0)


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

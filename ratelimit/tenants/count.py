"""A count as a client says it, in a body or a header: whatever it is, a whole number within bounds or none.  Pure."""

import re
from math import ceil

# No model takes more; keeps every sum exact in Lua's doubles.
MAX_TOKENS = 2**31 - 1
MAX_NUMBER = 64  # characters; longer digits count as MAX_TOKENS, anything else is no number that a model server takes
NUMBER = re.compile(r"\d+(\.\d*)?([eE][+-]?\d{1,3})?", re.ASCII)


def parse_count(text: str) -> int | None:
    """A count as JSON or a JSON string gives it, rounded up, at most MAX_TOKENS; None if absent, negative or not a
    number."""
    if text.isascii() and text.isdigit():
        return min(int(text), MAX_TOKENS) if len(text) <= MAX_NUMBER else MAX_TOKENS
    if len(text) > MAX_NUMBER or NUMBER.fullmatch(text) is None:
        return None
    number = float(text)  # `inf` at most: the exponent has three digits
    return MAX_TOKENS if number > MAX_TOKENS else ceil(number)

"""Numbers as people type them into forms: `500k`, `1.5m`, `500,000`.  What could mean two things is refused."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator

from admin.fields import Requests, Tokens

# Commas and underscores stand between groups of three digits: `12,50` is twelve and a half to some.
NUMBER = re.compile(r"(-?(?:\d{1,15}|\d{1,3}(?:[,_]\d{3}){1,4})(?:\.\d{1,9})?)\s*([kmbg]?)", re.ASCII | re.IGNORECASE)
FACTORS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9}


def whole_number(value: object) -> object:
    number = _number(value, "250000 or 250k")
    if number != int(number):
        raise ValueError("must be a whole number")
    return int(number)


def decimal_number(value: object) -> Decimal:
    """A number, perhaps below zero, but not 0."""
    number = _number(value, "5000, 250k or 12.50")
    if not number:
        raise ValueError("must be a number other than 0")
    return number


def _number(value: object, example: str) -> Decimal:
    found = NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"must be a number, such as {example}")
    return Decimal(re.sub("[,_]", "", found[1])) * FACTORS[found[2].lower()]


TypedTokens = Annotated[Tokens, BeforeValidator(whole_number)]
TypedRequests = Annotated[Requests, BeforeValidator(whole_number)]

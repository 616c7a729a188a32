"""The fields that limits and the limits of policies have in common, in requests and in answers."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema

from admin.commands.rules import MAX_TOKENS, amount_of, weight_of
from admin.fields import Body, Flag, View
from tenancy.values.calendar import Calendar
from tenancy.values.limit import UTC, Kind, Unit

DECIMAL = re.compile(r"-?[0-9]{1,19}(\.[0-9]{1,19})?")
MAX_SECONDS = 366 * 86_400


def _no_flag(value: object) -> object:
    """For decimals: true is not 1, and text is written out in digits, without exponent or separators."""
    if isinstance(value, bool) or (isinstance(value, str) and not DECIMAL.fullmatch(value)):
        raise ValueError("must be a number such as 1000 or 12.50")
    return value


def _shown_amount(value: object, info: ValidationInfo) -> object:
    """From what is stored; the unit is a field before it."""
    return amount_of(Unit(info.data["unit"]), value) if isinstance(value, int) else value


Number = Annotated[Decimal, BeforeValidator(_no_flag)]
Amount = Annotated[
    Number,
    Field(gt=0, le=MAX_TOKENS, max_digits=19, decimal_places=6),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_TOKENS},
                {"type": "string", "pattern": r"^\d{1,13}(\.\d{1,6})?$"},
            ],
            "description": "A whole number; of `cost` an amount in the currency of the models' prices, such as `12.50`",
            "examples": [500_000],
        }
    ),
]
ShownAmount = Annotated[
    int | str,
    BeforeValidator(_shown_amount),
    Field(description="A whole number; of `cost` a decimal in the currency of the models' prices"),
]
WindowSeconds = Annotated[int, Field(strict=True, ge=1, le=MAX_SECONDS, examples=[60])]
TimeZone = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$", examples=["Europe/Paris"])]
TokenWeight = Annotated[
    float,
    BeforeValidator(_no_flag),
    Field(ge=0, le=10, description="Weight of such a token, with two decimals: at 0.1 ten tokens count as one"),
]
ShownWeight = Annotated[float, BeforeValidator(weight_of)]


class RuleBody(Body):
    """The amount, the unit and the window of a limit."""

    unit: Unit
    amount: Amount
    kind: Kind | None = Field(None, description="`fixed_window` if a calendar is given, else `bucket`")
    window_seconds: WindowSeconds | None = None
    calendar: Calendar | None = None
    time_zone: TimeZone = UTC
    cached_weight: TokenWeight = 1.0
    reasoning_weight: TokenWeight = 1.0
    shadow: Flag = False


class RuleView(View):
    """The amount, the unit and the window of a stored limit."""

    unit: Unit
    amount: ShownAmount
    kind: Kind
    window_seconds: int
    calendar: Calendar | None
    time_zone: str
    cached_weight: ShownWeight
    reasoning_weight: ShownWeight
    shadow: bool

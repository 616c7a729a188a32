"""The rule of a limit as people write it, and as it is stored and counted.

People write amounts of `cost` in the currency, and the weights of tokens as factors; what is stored counts millionths
and percent.  `amount_of` and `weight_of` lead back.  These conversions, and the defaults of every limit, are only here.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from admin.commands.refusals import invalid
from tenancy.values.calendar import Calendar
from tenancy.values.limit import FULL_WEIGHT, UTC, Kind, Scope, Unit
from tenancy.values.prices import MICRO

# Far above any use, and below 2^53: Redis scripts count in doubles.
MAX_TOKENS = 10**12
MAX_REQUESTS = 10**9
MAX_COST = 10**9  # of the currency; in millionths still below 2^53


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How much of what, over which window.  `kind` None: a window of the calendar if one is given, else a bucket."""

    scope: Scope
    unit: Unit
    amount: Decimal
    kind: Kind | None = None
    window_seconds: int | None = None
    calendar: Calendar | None = None
    time_zone: str = UTC
    cached_weight: float = 1.0
    reasoning_weight: float = 1.0
    shadow: bool = False

    def stored(self) -> dict[str, Any]:
        """The fields as they are stored."""
        if self.calendar is not None and self.window_seconds is not None:
            raise invalid(("window_seconds", "not with a calendar"))
        return {
            "scope": self.scope,
            "unit": self.unit,
            "kind": self.kind or (Kind.BUCKET if self.calendar is None else Kind.FIXED),
            "window_seconds": (self.window_seconds or 0) if self.calendar is None else self.calendar.seconds,
            "calendar": self.calendar,
            "time_zone": self.time_zone,
            "shadow": self.shadow,
            **in_units(self.unit, asdict(self)),
        }


def in_units(unit: Unit, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The given ones of `amount`, `cached_weight` and `reasoning_weight`, as they are stored."""
    stored = {name: round(fields[name] * FULL_WEIGHT) for name in WEIGHTS if name in fields}
    return {**stored, "amount": units(unit, fields["amount"])} if "amount" in fields else stored


WEIGHTS = ("cached_weight", "reasoning_weight")


def units(unit: Unit, amount: Decimal) -> int:
    """The amount in the units of budgets, perhaps below zero; Refused if it cannot be one."""
    if unit is Unit.COST:
        if abs(amount) > MAX_COST:
            raise invalid(("amount", f"at most {MAX_COST}"))
        return int(amount * MICRO)
    if amount != amount.to_integral_value():
        raise invalid(("amount", f"a whole number of {unit.replace('_', ' ')}"))
    if unit is Unit.REQUESTS and abs(amount) > MAX_REQUESTS:
        raise invalid(("amount", f"at most {MAX_REQUESTS}"))
    return int(amount)


def amount_of(unit: Unit, units: int) -> int | str:
    """The amount as people write it."""
    return f"{(Decimal(units) / MICRO).normalize():f}" if unit is Unit.COST else units


def weight_of(percent: int) -> float:
    """The weight as people write it."""
    return percent / FULL_WEIGHT

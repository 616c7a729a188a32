"""How the text of an option becomes JSON: amounts, moments, and `none`.  Which option takes what is in `nouns/`."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import typer

NONE = "none"
SUFFIXES = {"k": 10**3, "m": 10**6, "g": 10**9}
AMOUNT_TEXT = re.compile(r"([0-9]{1,30}|[0-9]{1,3}(?:_[0-9]{3}){1,9})([kmgKMG]?)")
AGO = re.compile(r"(\d{1,6})([mhdw])")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class _Null:
    """What stands for `none`: sent as null, while an option that is not given is None, and not sent."""


NULL = _Null()


class Kind(NamedTuple):
    """What an option takes: a type that typer reads, or a parser and the word for its value in --help."""

    type: Any = str
    parser: Callable[[str], Any] | None = None
    metavar: str | None = None
    min: int | None = None


def amount(text: str) -> Any:
    """`500000`, `500_000`, `500k`, `2M`, or `none`."""
    if text.lower() == NONE:
        return NULL
    found = AMOUNT_TEXT.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a whole number such as 500000 or 500k, nor `none`")
    return int(found[1].replace("_", "")) * SUFFIXES.get(found[2].lower(), 1)


def quantity(text: str) -> Any:
    """An `amount`, or a decimal such as `12.50` as text: money is not rounded."""
    number = text.removeprefix("-")
    if "." in number and number.replace(".", "", 1).isdigit() and number.isascii():
        return text
    if text.lower() == NONE:
        raise typer.BadParameter("a number is needed")
    return amount(number) * (-1 if text.startswith("-") else 1)


def moment(text: str) -> str:
    """`7d`: seven days ago; anything else is the API's to read."""
    ago = AGO.fullmatch(text)
    if ago is None:
        return text
    try:
        then = datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    except OverflowError:
        raise typer.BadParameter(f"{text} is too long ago") from None
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


def or_none(metavar: str) -> Kind:
    """A text, or `none`."""
    return Kind(Any, lambda text: NULL if text.lower() == NONE else text, f"{metavar}|none")


TEXT = Kind(str)
ID = Kind(str, metavar="ID")
TEXTS = Kind(list[str])
NUMBER = Kind(int)
POSITIVE = Kind(int, min=1)
SWITCH = Kind(bool)
AMOUNT = Kind(Any, amount, "N|none")
QUANTITY = Kind(Any, quantity, "N")
MOMENT = Kind(Any, moment, "TIME")

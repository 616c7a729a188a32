"""Moments as options: a time, or how long ago."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

AGO = re.compile(r"(\d{1,6})([mhdw])")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str) -> str:
    """`7d`: so long ago; anything else is the API's to read."""
    ago = AGO.fullmatch(text)
    if ago is None:
        return text
    try:
        then = datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    except OverflowError:
        raise typer.BadParameter(f"{text} is too long ago") from None
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


FromOption = Annotated[
    Any, typer.Option("--from", parser=moment, metavar="TIME", help="As 2026-01-31T00:00:00Z, or 24h, 7d, 4w: ago.")
]
ToOption = Annotated[
    Any, typer.Option("--to", parser=moment, metavar="TIME", help="The same; not included.", show_default="now")
]

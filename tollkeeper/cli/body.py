"""What a command sends: a file, options and `--set` together.  No request is made here."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tollkeeper.cli.exits import CommandFailed, Exit

NONE = "none"
SUFFIXES = {"k": 10**3, "m": 10**6, "g": 10**9}


class _Null:
    """An option that was given as `none`: not the same as one that was not given."""


NULL = _Null()


def amount(text: str) -> Any:
    """`500000`, `500_000`, `500k`, `2M`, or `none`."""
    if text.lower() == NONE:
        return NULL
    number, factor = text.replace("_", ""), 1
    if number[-1:].lower() in SUFFIXES:
        number, factor = number[:-1], SUFFIXES[number[-1].lower()]
    if not (number.isascii() and number.isdigit()):
        raise typer.BadParameter(f"{text!r} is not a whole number such as 500000 or 500k, nor `none`")
    return int(number) * factor


def quantity(text: str) -> Any:
    """An `amount`, or a decimal such as `12.50` as text: money is not rounded."""
    number = text.removeprefix("-")
    if "." in number and number.replace(".", "", 1).isdigit() and number.isascii():
        return text
    if text.lower() == NONE:
        raise typer.BadParameter("a number is needed")
    return amount(number) * (-1 if text.startswith("-") else 1)


def text_or_none(text: str) -> Any:
    """A text, or `none`."""
    return NULL if text.lower() == NONE else text


AMOUNT = "N|none"
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Any field of the API; JSON or text.  May be repeated."),
]
FileOption = Annotated[
    Path | None, typer.Option("--file", "-f", metavar="FILE", help="Fields as a JSON object; - for stdin.")
]


def body_of(file: Path | None, assignments: list[str] | None, **options: Any) -> dict[str, Any]:
    """Options over the file, `--set` over both.  An option that is None was not given; NULL is sent as null."""
    body = _read(file) if file is not None else {}
    body |= {name: None if value is NULL else value for name, value in options.items() if value is not None}
    for assignment in assignments or []:
        _assign(body, assignment)
    return body


def _read(file: Path) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        body = json.loads(text)
    except (OSError, ValueError) as error:
        raise CommandFailed(Exit.USAGE, f"--file {file}: {error}") from None
    if not isinstance(body, dict):
        raise CommandFailed(Exit.USAGE, f"--file {file}: not a JSON object")
    return body


def _assign(body: dict[str, Any], assignment: str) -> None:
    """`weight=5`, `metadata.team=ml`."""
    path, separator, text = assignment.partition("=")
    *parents, name = path.split(".")
    if not separator or not name or not all(parents):
        raise CommandFailed(Exit.USAGE, f"--set {assignment}: must be FIELD=VALUE")
    for parent in parents:
        body = body.setdefault(parent, {})
        if not isinstance(body, dict):
            raise CommandFailed(Exit.USAGE, f"--set {assignment}: {parent} is not an object")
    try:
        body[name] = json.loads(text)
    except ValueError:
        body[name] = text

"""What a command sends: a file, options and `--set` together.  No request is made here."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.field import Given

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Set any field of the API, as JSON or text.  May be repeated."),
]
FileOption = Annotated[
    Path | None,
    typer.Option("--file", "-f", metavar="FILE", help="Read fields from a JSON object in a file; - for stdin."),
]


def body_of(given: Given, file: Path | None, assignments: list[str] | None) -> dict[str, Any]:
    """Options over the file, `--set` over both."""
    body = {**(_read(file) if file is not None else {}), **given}
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

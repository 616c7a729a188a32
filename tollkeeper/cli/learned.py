"""`tollkeeper learned`: what the sidecar on this machine has learned from the answers of model servers."""

import json
from http.client import HTTPConnection, HTTPException
from typing import Annotated, Any

import typer

from tollkeeper.config import BadSettings, read_settings

TIMEOUT_SECONDS = 10.0
NOTHING = "nothing yet: it takes some answers with reported usage"


def learned_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show by what estimates of each model's input are corrected, and how fast each model writes.

    Of the sidecar at TOLLKEEPER_METRICS_LISTEN."""
    try:
        tables = _ask(read_settings().metrics_listen)
    except (BadSettings, OSError, HTTPException, ValueError) as error:
        typer.echo(f"tollkeeper: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(tables, indent=2))
        return
    for name, rows in tables.items():
        typer.echo(f"{name}:")
        for line in table_of(rows) or [NOTHING]:
            typer.echo(f"  {line}")


def _ask(address: str) -> dict[str, list[dict[str, Any]]]:
    host, _, port = address.rpartition(":")
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/learned")
        found: dict[str, list[dict[str, Any]]] = json.loads(connection.getresponse().read())
        return found
    finally:
        connection.close()


def table_of(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    cells = [[*rows[0]], *(["-" if value is None else str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]

"""What commands print: tables for people, JSON for scripts.  Values go to stdout, everything else to stderr."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 100_000  # nobody folds lines for a pipe
Row = Mapping[str, Any]


class Printer:
    """`as_json`: for scripts."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def rows(self, rows: Sequence[Row], columns: Sequence[str] = (), empty: str = "nothing found") -> None:
        """A table with these columns, as far as there are any; all without `columns`.  As JSON: everything."""
        if self.as_json:
            self.json(list(rows))
        elif not rows:
            self.note(empty)
        else:
            self._table(rows, _columns(rows, columns))

    def one(self, value: Any) -> None:
        """One value, field by field; lists within it as tables."""
        if self.as_json:
            self.json(value)
        elif isinstance(value, Mapping):
            self._fields(value)
        elif value is not None:
            typer.echo(value)

    def note(self, text: str) -> None:
        """For people: not part of the result."""
        if not self.as_json:
            typer.echo(text, err=True)

    def json(self, value: Any) -> None:
        typer.echo(json.dumps(value, indent=2, ensure_ascii=False))

    def _fields(self, value: Row) -> None:
        tables = {name: each for name, each in value.items() if _is_table(each)}
        grid = Table.grid(padding=(0, 2))
        for name, each in value.items():
            if name not in tables and name != "next_cursor":
                grid.add_row(Text(name, style="bold"), Text(shown(each)))
        if grid.row_count:
            _print(grid)
        for name, rows in tables.items():
            typer.echo(f"\n{name}:")
            self._table(rows, _columns(rows, ()))

    def _table(self, rows: Sequence[Row], columns: Sequence[str]) -> None:
        _print(table_of(rows, columns))


def table_of(rows: Sequence[Row], columns: Sequence[str]) -> Table:
    """With these columns, for people."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(Text(name), justify="right" if _is_number(name, rows) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(row.get(name))) for name in columns))
    return table


def shown(value: Any) -> str:
    """One value within a table."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(shown, value)) or "-"
        case dict():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return "".join(character if character.isprintable() else "?" for character in str(value))


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _columns(rows: Sequence[Row], wanted: Sequence[str]) -> list[str]:
    present = list(dict.fromkeys(name for row in rows for name in row))
    return [name for name in wanted if name in present] or present


def _is_number(name: str, rows: Sequence[Row]) -> bool:
    values = [row[name] for row in rows if row.get(name) is not None]
    return bool(values) and all(isinstance(value, int | float) for value in values)


def _print(table: Table) -> None:
    if sys.stdout.isatty():
        Console(highlight=False, markup=False).print(table)
        return
    console = Console(highlight=False, markup=False, width=PIPED_WIDTH)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())

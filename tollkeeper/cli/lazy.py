"""A group of commands that imports each when it is named: help and completion are told from a table.

So that a command starts with what it needs itself.  Knows no command.
"""

from collections.abc import Iterable
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


class Entry(NamedTuple):
    """`source` is `module:name` of a function, or of a Typer if the command has others below it.  `help` is all that is
    said of the latter, and the first paragraph of a function's docstring."""

    name: str
    source: str
    help: str
    panel: str | None = None


def lazy_group(table: Iterable[Entry]) -> type[TyperGroup]:
    """For `typer.Typer(cls=…)`: a group with these commands, in their order."""
    entries = {each.name: each for each in table}

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = {name: _shown(entry) for name, entry in entries.items()}

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            if args and args[0] in entries:
                self.commands[args[0]] = load(entries[args[0]])
            return super().resolve_command(ctx, args)

    return LazyGroup


def load(entry: Entry) -> Any:
    """The command as typer makes it, its module imported."""
    module, _, name = entry.source.partition(":")
    found = getattr(import_module(module), name)
    holder = typer.Typer(pretty_exceptions_enable=False)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=entry.name, help=entry.help, rich_help_panel=entry.panel)
    else:
        holder.command(entry.name, rich_help_panel=entry.panel)(found)
    return get_group(holder).commands[entry.name]


def _shown(entry: Entry) -> TyperCommand:
    """As much of it as a list of commands shows."""
    return TyperCommand(entry.name, help=entry.help, rich_help_panel=entry.panel)

"""A field of the API as commands take it: its option, its help, how its text becomes JSON.

Which fields there are is said in `nouns/`.
"""

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import typer

from tollkeeper.cli.kinds import MOMENT, NULL, TEXT, Kind
from tollkeeper.cli.session import Session

Given = dict[str, Any]  # the fields that were given, by their names in the API


@dataclass(frozen=True, slots=True)
class Field:
    """`option` is `--weight`, `--enabled/--disabled`, or for an argument `TENANT`.  Defaults are the API's.

    `name` is what the API calls it, if not as the option.  `only` is the verb that takes it, if not both do.
    `default` says in --help what the API does without it.  `convert` makes another value of what was given.
    """

    option: str
    kind: Kind = TEXT
    help: str | None = None
    _: KW_ONLY
    name: str = ""
    only: Literal["create", "update"] | None = None
    required: bool = False
    default: str = ""
    convert: Callable[[Session, Any], Any] | None = None

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.keyword.removesuffix("_"))

    @property
    def keyword(self) -> str:
        """Of the function that typer calls.  The underscore: `--from` is a word of Python."""
        return re.sub(r"\W", "_", self.option.split("/")[0].removeprefix("--")).lower() + "_"

    def parameter(self) -> inspect.Parameter:
        """As typer reads it from a signature."""
        kind = self.kind
        if self.option.startswith("--"):
            annotation = kind.type if kind.parser else kind.type | None
            default = typer.Option(
                ... if self.required else None,
                self.option,
                parser=kind.parser,
                metavar=kind.metavar,
                help=self.help,
                show_default=self.default or True,
                min=kind.min,
            )
        else:
            annotation, default = str, typer.Argument(metavar=self.option, help=self.help)
        return inspect.Parameter(self.keyword, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def values_of(session: Session, fields: Iterable[Field], options: dict[str, Any]) -> Given:
    """Takes the fields out of a command's options; those that were given."""
    found: Given = {}
    for field in fields:
        value = options.pop(field.keyword)
        if value is None or value == []:
            continue
        if field.convert is not None:
            value = field.convert(session, value)
        found[field.name] = None if value is NULL else value
    return found


NEW_NAME = Field("--name", help="A new name.", only="update")
FROM = Field("--from", MOMENT, "Start: a time such as 2026-01-31T00:00:00Z, or how long ago: 24h, 7d, 4w.")
TO = Field("--to", MOMENT, "End, not included; in the same forms.", default="now")

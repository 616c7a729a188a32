"""`tollkeeper model prices` and `import-prices`: the price sets that a model had, and prices from a public list."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tollkeeper.cli.client import segment
from tollkeeper.cli.command import YesOption, command
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.price_lists.choice import Choice, Mode, choose
from tollkeeper.cli.price_lists.entry import PriceList, flat
from tollkeeper.cli.price_lists.genai import GenaiPrices
from tollkeeper.cli.price_lists.litellm import LitellmFile
from tollkeeper.cli.resource import Record, Resource, fill
from tollkeeper.cli.session import Session, confirm
from tollkeeper.cli.verbs import update_item

ModelsArgument = Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Only these, by id or name.")]
FileOption = Annotated[
    Path | None,
    typer.Option("--file", "-f", metavar="FILE", help="A list in LiteLLM's JSON format, instead of genai-prices."),
]
AsOption = Annotated[
    list[str] | None, typer.Option("--as", metavar="MODEL=NAME", help="A model's name in the list.  May be repeated.")
]
FillOption = Annotated[bool, typer.Option("--fill", help="Also complete models that have some prices; those stay.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace registered prices with the list's.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show how list and registry differ.")]


def add_prices(app: typer.Typer, models: Resource) -> None:
    """Adds the two commands to those of the models."""

    @command(app, "prices", models.item)
    def prices(session: Session, given: Record) -> None:
        """Show the price sets that a model had, newest first; rows of the ledger name them by version."""
        path = f"/models/{segment(models.id_of(session, given['id']))}/prices"
        found = list(session.client.items(path))
        if session.show.as_json:
            session.show.json(found)
            return
        session.show.rows(
            [
                {"version": each["version"], "since": each["since"], "price": name, "of": price}
                for each in found
                for name, price in flat(each["prices"]).items()
            ],
            empty="it never had any",
        )

    @command(app, "import-prices")
    def import_prices(
        session: Session,
        names: ModelsArgument = None,
        file: FileOption = None,
        listed_as: AsOption = None,
        fill: FillOption = False,
        overwrite: OverwriteOption = False,
        dry_run: DryRunOption = False,
        yes: YesOption = False,
    ) -> None:
        """Set prices of registered models from a public list, in US dollars.  Models that have prices keep them."""
        if fill and overwrite:
            raise CommandFailed(Exit.USAGE, "--fill keeps what is registered, --overwrite does not: give one of them")
        mode = Mode.FILL if fill else Mode.OVERWRITE if overwrite else Mode.KEEP
        prices: PriceList = GenaiPrices() if file is None else LitellmFile(file)
        aliases = dict(map(_alias, listed_as or ()))
        found = [models.find(session, {"id": name}) for name in names] if names else _all(session)
        if unknown := aliases.keys() - {model["name"] for model in found}:
            raise CommandFailed(Exit.NOT_FOUND, f"--as: there is no model {', '.join(map(repr, sorted(unknown)))}")
        choices = {model["id"]: choose(model, prices, mode, aliases.get(model["name"])) for model in found}
        _show(session, choices, prices.name)
        changes = {id: choice.change for id, choice in choices.items() if choice.change}
        if not dry_run:
            _set(session, models.route, changes, yes=yes)


def _all(session: Session) -> Sequence[Record]:
    return list(session.client.items("/models"))


def _alias(text: str) -> tuple[str, str]:
    model, equals, name = text.rpartition("=")
    if not equals or not model or not name:
        raise CommandFailed(Exit.USAGE, f"--as {text}: must be MODEL=NAME")
    return model, name


def _show(session: Session, choices: Mapping[str, Choice], name: str) -> None:
    rows = [row._asdict() for choice in choices.values() for row in choice.rows]
    session.show.rows(rows, empty=f"nothing differs from {name}")
    if rows:
        session.show.note(f"\nlist: {name}, in US dollars; of a million tokens, of one image, of one request")


def _set(session: Session, route: str, changes: Mapping[str, Mapping[str, Any]], *, yes: bool) -> None:
    if not changes:
        session.show.note("no model is to be changed")
        return
    confirm(f"Set prices of {len(changes)} models?", yes)
    for id, change in changes.items():
        answer = update_item(session, fill(route, {"id": id}), route, dict(change))
        session.note_pending(answer)
    session.show.note(f"set prices of {len(changes)} models")

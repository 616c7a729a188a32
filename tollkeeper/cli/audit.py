"""`tollkeeper audit …`."""

from typing import Annotated

import typer

from tollkeeper.cli.collection import list_items
from tollkeeper.cli.command import ColumnsOption, Session, command, noun
from tollkeeper.cli.times import FromOption, ToOption

COLUMNS = ("ts", "actor", "action", "target_type", "target_id", "source", "request_id")
LATEST = 50

app = noun("Who changed what, when, from where.")


@command(app, "list")
def list_entries(
    session: Session,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = LATEST,
    actor: Annotated[str | None, typer.Option("--actor", help="Only changes by this one.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="Only these, as create_key.")] = None,
    since: FromOption = None,
    until: ToOption = None,
    target: Annotated[str | None, typer.Option("--target", help="Only those of the thing with this id.")] = None,
    columns: ColumnsOption = None,
) -> None:
    """List changes, newest first.  What they were is in --json, or --columns all."""
    query = {"actor": actor, "action": action, "target_id": target, "from": since, "to": until}
    list_items(session, "/audit", COLUMNS, query=query, limit=limit, wanted=columns)

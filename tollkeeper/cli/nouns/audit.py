"""`tollkeeper audit …`."""

from typing import Annotated

import typer

from tollkeeper.cli.command import ColumnsOption, command, noun
from tollkeeper.cli.field import FROM, TO, Field, Given
from tollkeeper.cli.session import Session
from tollkeeper.cli.verbs import list_items

COLUMNS = ("ts", "actor", "action", "target_type", "target_id", "source", "request_id")
LATEST = 50
FILTERS = (
    Field("--actor", help="Only changes by this one."),
    Field("--action", help="Only these, as create_key."),
    FROM,
    TO,
    Field("--target", help="Only those of the thing with this id.", name="target_id"),
)

app = noun("Who changed what, when, from where.")


@command(app, "list", *FILTERS)
def list_entries(
    session: Session,
    given: Given,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = LATEST,
    columns: ColumnsOption = None,
) -> None:
    """List changes, newest first.  What they were is in --json, or --columns all."""
    list_items(session, "/audit", COLUMNS, query=given, limit=limit, wanted=columns)

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
    Field("--actor", help="Only changes by this actor."),
    Field("--action", help="Only this action, such as create_key."),
    FROM,
    TO,
    Field("--target", help="Only changes of what has this id.", name="target_id"),
)

app = noun()


@command(app, "list", *FILTERS)
def list_entries(
    session: Session,
    given: Given,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of entries.")] = LATEST,
    columns: ColumnsOption = None,
) -> None:
    """List changes, newest first.  --json and --columns all show what changed."""
    list_items(session, "/audit", COLUMNS, given, columns, limit)

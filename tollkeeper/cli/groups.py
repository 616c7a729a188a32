"""`tollkeeper group …`."""

from typing import Annotated

import typer

from tollkeeper.cli.body import FileOption, SetOption, body_of
from tollkeeper.cli.client import segment
from tollkeeper.cli.collection import delete, find, list_items
from tollkeeper.cli.command import ColumnsOption, DryRunOption, LimitOption, Session, YesOption, command, noun

PATH = "/fairshare/groups"
COLUMNS = ("name", "weight", "tenants", "created_at", "updated_at")

app = noun("Fairshare groups: tenants that share a weight.")
Group = Annotated[str, typer.Argument(metavar="GROUP", help="Its name.")]


@command(app, "list")
def list_groups(session: Session, limit: LimitOption = None, columns: ColumnsOption = None) -> None:
    """List groups by name."""
    list_items(session, PATH, COLUMNS, limit=limit, wanted=columns)


@command(app, "get")
def get_group(session: Session, group: Group) -> None:
    """Show a group."""
    session.show.one(find(session, PATH, group, "name"))


@command(app, "create", repeatable=True)
def create_group(
    session: Session,
    name: Annotated[str, typer.Argument(help="Must be unique.")],
    weight: Annotated[int | None, typer.Option("--weight", help="Its share among all groups.")] = None,
    assignments: SetOption = None,
    file: FileOption = None,
) -> None:
    """Create a group."""
    body = body_of(file, assignments, name=name, weight=weight)
    session.show.one(session.client.ask("POST", PATH, body).body)


@command(app, "update")
def update_group(
    session: Session,
    group: Group,
    weight: Annotated[int, typer.Option("--weight", help="Its share among all groups.")],
) -> None:
    """Set a group's weight."""
    path = f"{PATH}/{segment(group)}/weight"
    session.show.one(session.client.ask("PATCH", path, {"weight": weight}).body)


@command(app, "delete")
def delete_group(session: Session, group: Group, yes: YesOption = False, dry_run: DryRunOption = False) -> None:
    """Delete a group that no tenant is in."""
    delete(session, f"{PATH}/{segment(group)}", f"{PATH}/{{name}}", f"the group {group!r}", yes=yes, dry_run=dry_run)

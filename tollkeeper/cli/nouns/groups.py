"""`tollkeeper group …`."""

from typing import Annotated

import typer

from tollkeeper.cli.command import command, noun
from tollkeeper.cli.field import Field, Given
from tollkeeper.cli.kinds import NUMBER
from tollkeeper.cli.resource import Resource, fill
from tollkeeper.cli.session import Session
from tollkeeper.cli.verbs import add_create, add_delete, add_get, add_list

GROUPS = Resource(
    noun="fairshare group",
    path="/fairshare/groups",
    item=Field("GROUP", help="Its name.", name="name"),
    columns=("name", "weight", "tenants", "created_at", "updated_at"),
    fields=(Field("NAME", help="Must be unique."), Field("--weight", NUMBER, "Its share among all groups.")),
)

app = noun("Fairshare groups: tenants that share a weight.")
add_list(app, GROUPS, "List groups by name.")
add_get(app, GROUPS, "Show a group.")
add_create(app, GROUPS, "Create a group.")


@command(app, "update", GROUPS.item)
def update_group(
    session: Session,
    given: Given,
    weight: Annotated[int, typer.Option("--weight", help="Its share among all groups.")],
) -> None:
    """Set a group's weight."""
    session.changed(session.client.ask("PATCH", fill("/fairshare/groups/{name}/weight", given), {"weight": weight}))


add_delete(app, GROUPS, "Delete a group that no tenant is in.", "the group {name!r}")

"""`tollkeeper group …`."""

from dataclasses import replace

from tollkeeper.cli.field import Field
from tollkeeper.cli.kinds import NUMBER
from tollkeeper.cli.resource import Resource
from tollkeeper.cli.verbs import Noun

WEIGHT = Field("--weight", NUMBER, "Share among all groups.")
GROUPS = Resource(
    noun="fairshare group",
    path="/fairshare/groups",
    item=Field("GROUP", help="The group's name.", name="name"),
    columns=("name", "weight", "tenants", "created_at", "updated_at"),
    fields=(Field("NAME", help="A unique name."), WEIGHT),
)

app = Noun(GROUPS)
app.add_list("List groups by name.")
app.add_get("Show a group.")
app.add_create("Create a group.")
app.add_action("update", "Set a group's weight.", replace(WEIGHT, required=True), method="PATCH", below="/weight")
app.add_delete("Delete a group that has no tenants.", what="the group {name!r}")

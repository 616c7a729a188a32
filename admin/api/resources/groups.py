"""/fairshare/groups: the groups that tenants belong to."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from admin.api.call import Changing, Creating
from admin.api.resources.routes import Routes
from admin.commands import groups
from admin.commands.directory import GROUPS
from admin.fields import Body, GroupName, Time, View, Weight
from tenancy.directory.groups import Group
from tenancy.directory.tenants import DEFAULT_WEIGHT

router = APIRouter(prefix="/fairshare/groups", tags=["fairshare"])

KnownName = Annotated[str, Path(alias="name", description="The group's name")]


class NewGroup(Body):
    """A group to be made."""

    name: GroupName = Field(examples=["research"])
    weight: Weight = DEFAULT_WEIGHT


class GroupWeight(Body):
    """A group's share among all groups."""

    weight: Weight


class GroupView(View):
    """A fairshare group."""

    name: str
    weight: int
    created_at: Time
    updated_at: Time


routes = Routes(router, GROUPS, "group", GroupView, key="name")
routes.list("groups", "A page of groups, by name.", "Lists groups by name.")
routes.show("Shows a group.")
routes.delete("Deletes a group, with its limits, to which no tenant belongs.")


@router.post("", status_code=201, response_model=GroupView)
async def create_group(body: NewGroup, call: Creating) -> Group:
    """Creates a group; its name must be unique."""
    done = await groups.create(call.session, body.name, body.weight)
    return call.created(done, f"/fairshare/groups/{done.value.name}")


@router.patch("/{name}/weight", response_model=GroupView)
async def set_group_weight(name: KnownName, body: GroupWeight, call: Changing) -> Group:
    """Sets a group's weight."""
    return call.changed(await groups.set_weight(call.session, name, body.weight))

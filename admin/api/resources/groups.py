"""/fairshare/groups: the groups that tenants belong to."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from admin.api.call import DELETES, Changing, Creating, Deleting, Reading
from admin.api.fields import Body, GroupName, Time, View, Weight
from admin.api.paging import Page
from admin.commands import groups
from admin.commands.directory import GROUPS
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


class GroupPage(View):
    """A page of groups, by name."""

    groups: list[GroupView]
    next_cursor: str | None


@router.post("", status_code=201, response_model=GroupView)
async def create_group(body: NewGroup, call: Creating) -> Group:
    """Creates a group; its name must be unique."""
    done = await groups.create(call.at, body.name, body.weight)
    return call.created(done, f"fairshare/groups/{done.value.name}")


@router.get("", response_model=GroupPage)
async def list_groups(page: Annotated[Page, Query()], call: Reading) -> dict[str, object]:
    """Lists groups by name."""
    return page.answer("groups", await GROUPS.page(call.at, page.limit + 1, page.after_name()), "name")


@router.patch("/{name}/weight", response_model=GroupView)
async def set_group_weight(name: KnownName, body: GroupWeight, call: Changing) -> Group:
    """Sets a group's weight."""
    return call.changed(await groups.set_weight(call.at, name, body.weight))


@router.get("/{name}", response_model=GroupView)
async def get_group(name: KnownName, call: Reading) -> Group:
    """Shows a group."""
    return call.shown(await GROUPS.get(call.at, name))


@router.delete("/{name}", status_code=204, response_model=None, responses=DELETES)
async def delete_group(name: KnownName, call: Deleting) -> Response:
    """Deletes a group, with its limits, to which no tenant belongs."""
    return call.deleted(await GROUPS.delete(call.at, name))

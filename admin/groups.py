"""/fairshare/groups: the groups that tenants belong to."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator, Field

from admin.fields import Body, GroupName, Time, View, Weight
from admin.paging import Page, cut
from admin.services import Use
from admin.terms import DELETES, By, ByCreating, ByDeleting, tagged
from tenancy.directory.groups import GROUP_NAME, Group, NoSuchGroup
from tenancy.directory.tenants import DEFAULT_WEIGHT

router = APIRouter(prefix="/fairshare/groups", tags=["fairshare"])


def _check_name(text: str) -> str:
    if not GROUP_NAME.fullmatch(text):
        raise NoSuchGroup(text)
    return text


KnownName = Annotated[str, Path(alias="name", description="The group's name"), AfterValidator(_check_name)]


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
async def create_group(body: NewGroup, use: Use, by: ByCreating, response: Response) -> Group:
    """Creates a group; its name must be unique."""
    group = await use.groups.create(body.name, body.weight, by)
    response.headers["location"] = f"/api/v1/fairshare/groups/{group.name}"
    return tagged(response, group)


@router.get("", response_model=GroupPage)
async def list_groups(page: Annotated[Page, Query()], use: Use) -> dict[str, object]:
    """Lists groups by name."""
    found = await use.groups.page(page.limit + 1, page.after_name())
    groups, next_cursor = cut(found, page.limit, lambda group: (group.name,))
    return {"groups": groups, "next_cursor": next_cursor}


@router.patch("/{name}/weight", response_model=GroupView)
async def set_group_weight(name: KnownName, body: GroupWeight, use: Use, by: By, response: Response) -> Group:
    """Sets a group's weight."""
    return tagged(response, await use.groups.set_weight(name, body.weight, by))


@router.get("/{name}", response_model=GroupView)
async def get_group(name: KnownName, use: Use, response: Response) -> Group:
    """Shows a group."""
    group = await use.groups.get(name)
    if group is None:
        raise NoSuchGroup(name)
    return tagged(response, group)


@router.delete("/{name}", status_code=204, response_model=None, responses=DELETES)
async def delete_group(name: KnownName, use: Use, by: ByDeleting) -> Response:
    """Deletes a group, with its limits, to which no tenant belongs."""
    return await use.deleted(await use.groups.delete(name, by), by)

"""/fairshare/groups: the groups that tenants belong to."""

from fastapi import APIRouter
from pydantic import Field

from admin.api.derived import view_of
from admin.api.resources.routes import Routes
from admin.commands.directory import GROUPS
from admin.fields import Body, GroupName, Weight
from tenancy.directory import groups
from tenancy.values.policy import DEFAULT_WEIGHT

router = APIRouter(prefix="/fairshare/groups", tags=["fairshare"])


class NewGroup(Body):
    """The fields of a new fairshare group."""

    name: GroupName = Field(examples=["research"])
    weight: Weight = DEFAULT_WEIGHT


class GroupWeight(Body):
    """A group's share among all groups."""

    weight: Weight


routes = Routes(router, GROUPS, "group", view_of(groups.Group, "GroupView", "A fairshare group."), key="name")
routes.list("groups", "A page of groups, by name.", "Lists groups by name.")
routes.show("Shows a group.")
routes.delete("Deletes a group, with its limits, to which no tenant belongs.")
routes.create(NewGroup, groups.NewGroup, "Creates a group; its name must be unique.")
routes.update("PATCH", GroupWeight, "Sets a group's weight.", lambda weight: weight, at="/weight")

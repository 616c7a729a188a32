"""/console/groups: fairshare groups, their weights, and what they get of it now, and their limits."""

from typing import Annotated

from pydantic import BeforeValidator
from starlette.responses import Response

from admin.commands.directory import GROUPS, LIMITS
from admin.commands.queries.live import live
from admin.console.cookies import PREFIX
from admin.console.forms import EMPTY, Form, submitted
from admin.console.numbers import whole_number
from admin.console.visit import Routes, Visit
from admin.fields import Body, GroupName, Weight
from tenancy.directory.change_request import tag_of
from tenancy.directory.groups import NewGroup

MOST_LIMITS = 100

routes = Routes()
TypedWeight = Annotated[Weight, BeforeValidator(whole_number)]


class GroupForm(Body):
    """A group to be made."""

    name: GroupName
    weight: TypedWeight


class WeightForm(Body):
    """A group's weight among the groups."""

    weight: TypedWeight


@routes.get(f"{PREFIX}/groups")
async def groups(visit: Visit) -> Response:
    return await _page(visit, EMPTY, 200)


@routes.get(f"{PREFIX}/groups/live")
async def groups_now(visit: Visit) -> Response:
    return visit.page("parts/groups.html", live=await live(visit.session, budgets=False))


@routes.post(f"{PREFIX}/groups")
async def create_group(visit: Visit) -> Response:
    async def make(form: GroupForm) -> Response:
        done = await GROUPS.create(visit.on_terms(), NewGroup(form.name, form.weight))
        return visit.to(f"{PREFIX}/groups", "group-saved", done)

    return await submitted(visit, GroupForm, lambda form, status: _page(visit, form, status), make)


@routes.get(f"{PREFIX}/groups/{{name}}")
async def group(visit: Visit) -> Response:
    return await _group(visit, EMPTY, 200)


@routes.post(f"{PREFIX}/groups/{{name}}")
async def save_group(visit: Visit) -> Response:
    async def make(form: WeightForm) -> Response:
        done = await GROUPS.update(visit.on_terms(), visit.path("name"), form.weight)
        return visit.to(f"{PREFIX}/groups", "group-saved", done)

    return await submitted(visit, WeightForm, lambda form, status: _group(visit, form, status), make)


@routes.post(f"{PREFIX}/groups/{{name}}/delete")
async def delete_group(visit: Visit) -> Response:
    done = await GROUPS.delete(visit.on_terms(), visit.path("name"))
    return visit.to(f"{PREFIX}/groups", "group-deleted", done)


async def _page(visit: Visit, form: Form, status: int) -> Response:
    found = await live(visit.session, budgets=False)
    return visit.page("groups.html", status, title="Groups", section="groups", live=found, form=form)


async def _group(visit: Visit, form: Form, status: int) -> Response:
    found = await GROUPS.get(visit.session, visit.path("name"))
    filled = form if form is not EMPTY else Form({"weight": str(found.weight)})
    limits = await LIMITS.page(visit.session, MOST_LIMITS, None, None, found.name)
    shown = {"group": found, "form": filled, "seen": tag_of(found), "limits": limits}
    return visit.page("group.html", status, title=found.name, section="groups", **shown)

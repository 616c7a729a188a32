"""/console/capacity: how many requests may be in flight, and what each sidecar makes of that now."""

from typing import Annotated, Any

from pydantic import BeforeValidator
from starlette.responses import Response

from admin.commands.queries import sidecars
from admin.console.cookies import PREFIX
from admin.console.forms import Form, submitted
from admin.console.numbers import whole_number
from admin.console.visit import Routes, Visit
from admin.fields import Body, InFlight
from tenancy.directory.capacity import Capacity
from tenancy.directory.change_request import tag_of

routes = Routes()
Bound = Annotated[InFlight, BeforeValidator(whole_number)]


class CapacityForm(Body):
    """Both bounds as they shall be.  Empty: none."""

    max_in_flight: Bound | None = None
    max_in_flight_total: Bound | None = None


@routes.get(f"{PREFIX}/capacity")
async def capacity(visit: Visit) -> Response:
    found = await sidecars.capacity(visit.session)
    bounds = {name: getattr(found, name) for name in CapacityForm.model_fields}
    form = Form({name: str(bound) for name, bound in bounds.items() if bound is not None})
    return await _page(visit, form, 200, found)


@routes.get(f"{PREFIX}/capacity/live")
async def capacity_now(visit: Visit) -> Response:
    return visit.page("parts/capacity.html", **await _enforced(visit, await sidecars.capacity(visit.session)))


@routes.post(f"{PREFIX}/capacity")
async def save_capacity(visit: Visit) -> Response:
    async def make(form: CapacityForm) -> Response:
        bounds = {"max_in_flight": form.max_in_flight, "max_in_flight_total": form.max_in_flight_total}
        done = await sidecars.set_capacity(visit.on_terms(), bounds)  # type: ignore[arg-type] # by name
        return visit.to(f"{PREFIX}/capacity", "capacity-saved", done)

    async def again(form: Form, status: int) -> Response:
        return await _page(visit, form, status, await sidecars.capacity(visit.session))

    return await submitted(visit, CapacityForm, again, make)


async def _page(visit: Visit, form: Form, status: int, of: Capacity) -> Response:
    shown = {"form": form, "seen": visit.field("_seen") or tag_of(of), **await _enforced(visit, of)}
    return visit.page("capacity.html", status, title="Capacity", section="groups", **shown)


async def _enforced(visit: Visit, of: Capacity) -> dict[str, Any]:
    reports = (await sidecars.overview(visit.session)).reports
    return {"capacity": of, "bound": sidecars.bound_on_all(of, len(reports)), "reports": reports}

"""/capacity: how many requests may be in flight; in force within a second, without a restart."""

from fastapi import APIRouter
from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from admin.api.call import Changing, Reading
from admin.api.derived import shape, view_of
from admin.api.sidecars import SidecarView
from admin.commands.queries import sidecars
from admin.fields import InFlight
from tenancy.directory.capacity import Capacity

router = APIRouter(prefix="/capacity", tags=["runtime"])


@with_config(ConfigDict(extra="forbid"))
class CapacityBody(TypedDict, total=False):
    """`max_in_flight` bounds each sidecar, `max_in_flight_total` all of them together.  What is absent stays; null
    lifts the bound.  A request beyond a bound is refused with 429, type `capacity`."""

    max_in_flight: InFlight | None
    max_in_flight_total: InFlight | None


CapacitySetting = view_of(
    Capacity, "CapacitySetting", "The bounds as they are set; null: none.  `version` counts the changes."
)
CapacityView = shape(
    "CapacityView",
    """The bounds as they are set, and what each sidecar enforces.  A sidecar whose `capacity_version` is lower does not
know of the last change yet.""",
    CapacitySetting,
    sidecars=list[SidecarView],
)


@router.get("", response_model=CapacityView)
async def get_capacity(call: Reading) -> dict[str, object]:
    """Shows the bounds that are set, and those that each sidecar enforces."""
    capacity = call.shown(await sidecars.capacity(call.session))
    setting = {name: getattr(capacity, name) for name in CapacitySetting.model_fields}
    return {**setting, "sidecars": (await sidecars.overview(call.session)).reports}


@router.put("", response_model=CapacitySetting)
async def put_capacity(body: CapacityBody, call: Changing) -> Capacity:
    """Sets the bounds that are given."""
    return call.changed(await sidecars.set_capacity(call.session, body))

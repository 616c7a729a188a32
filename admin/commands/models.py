"""What must be true of a model, or of an alias, before it is kept, and what to say of the first one."""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from admin.commands.refusals import STORES_AWAY, Field, Reason, Refusal, Refused, invalid
from store.redis import UNAVAILABLE
from tenancy.directory.models import Model, NewModel, ResponseCache, upstream_of
from tenancy.values.prices import PRICE_FIELDS
from tenancy.values.upstream import Endpoint, Upstream, wrong_with_endpoints, wrong_with_targets

if TYPE_CHECKING:
    from admin.commands.session import Session

OF_MODELS_ALONE = (
    "endpoint",
    "upstream_name",
    "credential",
    "health_path",
    "ca_file",
    "send_priority",
    "timeout_seconds",
    *PRICE_FIELDS,
)
NOTHING_SET = NewModel("")
FIRST = "it is the first model: from now on a request must name one, and "
OTHERS = "one that is not registered goes to the default upstream without a price, which a limit on spending refuses"
CLOSED = "one that is not registered gets 404"


async def notice_on_first(session: "Session", made: Model) -> str:
    """ "" if it is not the first that may be used."""
    with suppress(*STORES_AWAY):
        if made.enabled and all(each.id == made.id for each in await session.ports.models.page(2)):
            return FIRST + (OTHERS if session.ports.configured.admits_unregistered else CLOSED)
    return ""


async def check_model(session: "Session", new: NewModel | ResponseCache) -> None:
    """Refused: INVALID; REFUSED_THERE if a sidecar could not send requests to its endpoints."""
    if isinstance(new, NewModel):
        wrong = tuple(_wrong(new, link_local=session.ports.configured.link_local_endpoints))
        if wrong:
            raise invalid(*wrong)
        upstream = upstream_of(new)
        if upstream.endpoints and (why := await _refused(session, new.name, upstream)):
            raise Refused(Refusal(Reason.REFUSED_THERE, f"the endpoints cannot be used: {why}"))


async def _refused(session: "Session", model: str, upstream: Upstream) -> str:
    """Without Redis no sidecar can be asked, and each says in its log what it cannot do."""
    try:
        return await session.ports.trials.refused(model, upstream)
    except UNAVAILABLE:
        return ""


def _wrong(new: NewModel, *, link_local: bool) -> Iterator[Field]:
    if new.endpoint and new.endpoints:
        yield "endpoints", "give either endpoint or endpoints"
    if new.endpoint and (wrong := wrong_with_endpoints([Endpoint(new.endpoint)], link_local=link_local)):
        yield "endpoint", wrong
    if wrong := wrong_with_endpoints(new.endpoints, link_local=link_local):
        yield "endpoints", wrong
    if wrong := wrong_with_targets(new.targets):
        yield "targets", wrong
    if new.targets:
        for name in OF_MODELS_ALONE:
            if getattr(new, name) != getattr(NOTHING_SET, name):
                yield name, "an alias has none: what counts is that of the model which a request gets"
        if new.endpoints or new.price_tiers:
            yield "endpoints" if new.endpoints else "price_tiers", "an alias has none"

"""What a model does now, by the sidecars' last reports."""

from collections.abc import Mapping
from dataclasses import dataclass

from admin.access.permission import ResourceKind
from admin.commands.session import Session, query
from store.redis import UNAVAILABLE
from tenancy.directory.models import Model, upstream_of


@dataclass(frozen=True, slots=True)
class LiveEndpoint:
    """`healthy`: in every Envoy that says so; None: none says anything."""

    url: str
    healthy: bool | None


@dataclass(frozen=True, slots=True)
class LiveModel:
    """`in_flight`: requests in all sidecars.  `tokens_per_second`: how fast one answer was written lately, 0 if none
    was long enough to tell."""

    in_flight: int
    tokens_per_second: float
    endpoints: list[LiveEndpoint]


@query(ResourceKind.MODEL)
async def live(session: Session, model: Model) -> LiveModel | None:
    """None while Redis does not answer."""
    try:
        reports = (await session.ports.reports.overview()).reports
    except UNAVAILABLE:
        return None
    loads = [load for aged in reports for load in aged.report.models if load.model == model.name]
    endpoints = [
        LiveEndpoint(each.url, _together(each.url, [load.endpoints for load in loads]))
        for each in upstream_of(model).endpoints
    ]
    speed = max((load.tokens_per_second for load in loads), default=0.0)
    return LiveModel(sum(load.in_flight for load in loads), round(speed, 1), endpoints)


def _together(url: str, said: list[Mapping[str, bool]]) -> bool | None:
    found = [each[url] for each in said if url in each]
    return all(found) if found else None

"""The spend limit and the spend alerts of a project (`/v1/organization/projects/{project_id}`), as in openai 3.52."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from admin.commands import spending
from admin.commands.refusals import invalid
from admin.commands.rules import MAX_COST
from admin.fields import Body, Email, Printable
from admin.gate.answers import propagation_of, session_of
from tenancy.directory.webhooks.spend_alerts import NewAlert, SpendAlert

PREFIX = "/v1/organization/projects"
router = APIRouter(prefix=f"{PREFIX}/{{project_id}}")

ProjectId = Annotated[str, Path(description="A tenant's id")]
Cents = Annotated[int, Field(strict=True, ge=1, le=MAX_COST * spending.CENTS)]
MAX_PAGE = 100


class LimitBody(Body):
    """A hard limit on what a project spends in a month."""

    currency: Literal["USD"]
    interval: Literal["month"]
    threshold_amount: Cents


class Channel(Body):
    """Whom to write to.  Webhooks are told; Tollkeeper sends no mail."""

    type: Literal["email"]
    recipients: Annotated[list[Email], Field(min_length=1, max_length=100)]
    subject_prefix: Annotated[Printable, Field(max_length=200)] | None = None


class AlertBody(LimitBody):
    """A sum from which on somebody is told."""

    notification_channel: Channel

    def alert(self) -> NewAlert:
        channel = self.notification_channel
        return NewAlert(self.threshold_amount, tuple(channel.recipients), channel.subject_prefix)


class AlertsQuery(Body):
    """A page of alerts."""

    after: str | None = Field(None, max_length=64)
    before: str | None = Field(None, max_length=64)
    limit: int = Field(20, ge=1, le=MAX_PAGE)
    order: Literal["asc", "desc"] = "asc"


@router.get("/spend_limit")
async def get_limit(project_id: ProjectId, request: Request) -> JSONResponse:
    """Shows the hard limit, and whether it refuses requests now."""
    return JSONResponse(_limit(await spending.spend_limit(_session(request), project_id)))


@router.post("/spend_limit")
async def set_limit(project_id: ProjectId, body: LimitBody, request: Request) -> JSONResponse:
    """Sets the hard limit; what was spent this month under one that there was stays spent."""
    session = _session(request)
    done = await spending.set_spend_limit(session, project_id, body.threshold_amount)
    return JSONResponse(_limit(await spending.spend_limit(session, project_id)), headers=propagation_of(done))


@router.delete("/spend_limit")
async def delete_limit(project_id: ProjectId, request: Request) -> JSONResponse:
    """Lifts the hard limit."""
    done = await spending.delete_spend_limit(_session(request), project_id)
    return JSONResponse({"object": "project.spend_limit.deleted", "deleted": True}, headers=propagation_of(done))


@router.post("/spend_alerts")
async def create_alert(project_id: ProjectId, body: AlertBody, request: Request) -> JSONResponse:
    """Creates an alert."""
    return JSONResponse(_alert((await spending.create_alert(_session(request), project_id, body.alert())).value))


@router.get("/spend_alerts")
async def list_alerts(project_id: ProjectId, page: Annotated[AlertsQuery, Query()], request: Request) -> JSONResponse:
    """Lists alerts by when they were made."""
    found = [*await spending.alerts(_session(request), project_id)]
    if page.order == "desc":
        found.reverse()
    shown, more = _page(found, page)
    return JSONResponse(
        {
            "object": "list",
            "data": [*map(_alert, shown)],
            "first_id": shown[0].id if shown else None,
            "last_id": shown[-1].id if shown else None,
            "has_more": more,
        }
    )


@router.get("/spend_alerts/{alert_id}")
async def get_alert(project_id: ProjectId, alert_id: str, request: Request) -> JSONResponse:
    """Shows an alert."""
    return JSONResponse(_alert(await spending.alert(_session(request), project_id, alert_id)))


@router.post("/spend_alerts/{alert_id}")
async def update_alert(project_id: ProjectId, alert_id: str, body: AlertBody, request: Request) -> JSONResponse:
    """Replaces an alert."""
    done = await spending.update_alert(_session(request), project_id, alert_id, body.alert())
    return JSONResponse(_alert(done.value))


@router.delete("/spend_alerts/{alert_id}")
async def delete_alert(project_id: ProjectId, alert_id: str, request: Request) -> JSONResponse:
    """Deletes an alert."""
    await spending.delete_alert(_session(request), project_id, alert_id)
    return JSONResponse({"id": alert_id, "object": "project.spend_alert.deleted", "deleted": True})


def _page(found: Sequence[SpendAlert], page: AlertsQuery) -> tuple[Sequence[SpendAlert], bool]:
    """The page, and whether there are more after it (with `before`: ahead of it)."""
    ids = [each.id for each in found]
    for name in ("after", "before"):
        given = getattr(page, name)
        if given is not None and given not in ids:
            raise invalid((name, "is not the id of an alert of this project"))
    start = ids.index(page.after) + 1 if page.after is not None else 0
    end = ids.index(page.before) if page.before is not None else len(found)
    within = found[start:end]
    if page.before is not None and page.after is None:
        return within[-page.limit :], len(within) > page.limit
    return within[: page.limit], len(within) > page.limit


def _session(request: Request) -> Any:
    return session_of(request.scope, request.app.state.ports)


def _limit(limit: spending.SpendLimit) -> dict[str, object]:
    return {
        "object": "project.spend_limit",
        "threshold_amount": limit.cents,
        "currency": "USD",
        "interval": "month",
        "enforcement": {"status": "enforcing" if limit.spent else "inactive"},
    }


def _alert(alert: SpendAlert) -> dict[str, object]:
    channel = {"type": "email", "recipients": [*alert.recipients], "subject_prefix": alert.subject_prefix}
    return {
        "id": alert.id,
        "object": "project.spend_alert",
        "threshold_amount": alert.threshold_amount,
        "currency": "USD",
        "interval": "month",
        "notification_channel": channel,
    }

"""/teams/{team_id}/usage and /users/{user_id}/usage: what was used since ever, part by part, as the ledger has it."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from admin.commands import teams
from admin.commands.buckets import EARLIEST, LATEST
from admin.commands.queries import reports
from admin.commands.refusals import Reason, Refusal, Refused
from admin.commands.session import Session
from admin.dialects.key_manager import views
from admin.dialects.key_manager.call import MOST, Asked
from admin.dialects.key_manager.keys import KnownUserId
from admin.dialects.key_manager.teams import TeamId
from ledger.sums import Figures, Line, Selection
from tenancy.directory.teams import Headcount

router = APIRouter()

ALWAYS = ((EARLIEST, LATEST),)
TOO_MANY = Refusal(Reason.FULL, f"more than {MOST} parts: ask for pages of /api/v1/usage instead")
NS = 10**9


@router.get("/teams/{team_id}/usage")
async def get_team_usage(team_id: TeamId, session: Asked) -> JSONResponse:
    """What a team used, user by user, also users without a key by now, and the team if it was deleted."""
    lines = await _usage(session, Selection(tenant_id=team_id), "user_id")
    users = [line.group[0] for line in lines]
    emails = {each.user_id: each.email for each in await teams.members(session, MOST, team_id, users)}
    return JSONResponse(
        {
            **await _team(session, team_id),
            **_totals(lines),
            "user_breakdown": [
                {"user_id": user, "user_email": emails.get(user, ""), **_figures(line.figures)}
                for user, line in zip(users, lines, strict=True)
            ],
            "last_updated": _now(),
        }
    )


@router.get("/users/{user_id}/usage")
async def get_user_usage(user_id: KnownUserId, session: Asked) -> JSONResponse:
    """What a user used, team by team, also in deleted ones."""
    lines = await _usage(session, Selection(user_id=user_id), "tenant_id")
    if not lines:
        await teams.require_user(session, user_id)
    found = await teams.by_ids(session, [line.group[0] for line in lines])
    return JSONResponse(
        {
            "user_id": user_id,
            **_totals(lines),
            "team_breakdown": [{**_called(line.group[0], found), **_figures(line.figures)} for line in lines],
            "last_updated": _now(),
        }
    )


async def _usage(session: Session, selection: Selection, part: str) -> Sequence[Line]:
    """One line a part; the part "" is keys without a user."""
    lines = await reports.usage(session, selection, ALWAYS, (part,), MOST + 1)
    if len(lines) > MOST:  # the sums would not be the whole
        raise Refused(TOO_MANY)
    return lines


async def _team(session: Session, team_id: str) -> dict[str, str]:
    found = await teams.by_ids(session, [team_id])
    return _called(team_id, found)


def _called(team_id: str, found: Mapping[str, Headcount]) -> dict[str, str]:
    """The team's name; for a deleted team only its id."""
    if team_id not in found:
        return {"team_id": team_id, "team_name": "", "policy": ""}
    tenant = found[team_id].tenant
    return {**views.called(tenant), "policy": views.policy_of(tenant)}


def _figures(of: Figures) -> dict[str, int]:
    return {
        "token_usage": of.input_tokens + of.output_tokens,
        "authorized_calls": of.requests,
        "limited_calls": of.refused,
    }


def _totals(lines: Sequence[Line]) -> dict[str, int]:
    """The sums of the parts."""
    parts = [_figures(line.figures) for line in lines]
    return {f"total_{name}": sum(part[name] for part in parts) for name in _figures(Figures())}


def _now() -> str:
    """RFC 3339 with nanoseconds."""
    seconds, ns = divmod(time.time_ns(), NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09}Z"

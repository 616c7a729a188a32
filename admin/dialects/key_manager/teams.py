"""/teams: create, list, show, change and delete teams."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from admin.commands import teams
from admin.commands.directory import TENANTS
from admin.dialects.key_manager import views
from admin.dialects.key_manager.call import MOST, Asked, changed
from admin.dialects.key_manager.windows import seconds_of
from admin.fields import AnyId, Body, GroupName, Text, Tokens, printable
from tenancy.directory.teams import Headcount, TokenLimitChange
from tenancy.directory.tenants import NewTenant, TenantChange

router = APIRouter(prefix="/teams")

TeamId = Annotated[AnyId, Path()]
TeamName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(printable)]
Window = Annotated[int, BeforeValidator(seconds_of)]
TENANT_FIELDS = {"team_name": "display_name", "description": "description", "policy": "policy"}
LIMIT_FIELDS = {"token_limit": "amount", "time_window": "window_seconds"}


class TeamPatch(Body):
    """What is absent stays; a `token_limit` or `policy` of null goes."""

    team_name: TeamName = ""
    description: Text = ""
    policy: GroupName | None = None
    token_limit: Tokens | None = None
    time_window: Window = 0

    def of_tenant(self) -> TenantChange:
        return self._given(TENANT_FIELDS)  # type: ignore[return-value] # as their types are above

    def of_limit(self) -> TokenLimitChange:
        return self._given(LIMIT_FIELDS)  # type: ignore[return-value] # the same

    def _given(self, names: dict[str, str]) -> dict[str, Any]:
        return {field: getattr(self, name) for name, field in names.items() if name in self.model_fields_set}


class NewTeam(TeamPatch):
    """A team to be made."""

    team_id: AnyId


class Page(Body):
    """The query of the list: a team's id, and how many to show after it."""

    after: AnyId = ""
    limit: int = Field(MOST, ge=1, le=MOST)


@router.post("")
async def create_team(body: NewTeam, session: Asked) -> JSONResponse:
    """Creates a team, and its policy if there is none of this name."""
    fields: dict[str, Any] = {"name": body.team_id, "id": body.team_id, **body.of_tenant()}
    new = NewTenant(**fields)
    done = await teams.create(session, new, body.of_limit())
    shown = views.team(Headcount(done.value.tenant, 0, 0))
    return changed(done, {**shown, **views.token_limit(done.value.limit)}, 201)


@router.get("")
async def list_teams(page: Annotated[Page, Query()], session: Asked) -> JSONResponse:
    """Lists teams by id."""
    found, total = await teams.page(session, page.limit, page.after)
    return JSONResponse({"teams": [*map(views.team, found)], "total_teams": total})


@router.get("/{team_id}")
async def get_team(team_id: TeamId, session: Asked) -> JSONResponse:
    """Shows a team, the names of its keys, and the users who have one."""
    found = await teams.get(session, team_id)
    keys = [held.key.name for held in await teams.keys_of_team(session, team_id, MOST)]
    users = [views.member(each, found.tenant) for each in await teams.members(session, MOST, team_id)]
    return JSONResponse({**views.team(found, keys=keys), "users": users})


@router.patch("/{team_id}")
async def update_team(team_id: TeamId, body: TeamPatch, session: Asked) -> JSONResponse:
    """Changes the fields given; a limit binds from the next call on."""
    done = await teams.update(session, team_id, body.of_tenant(), body.of_limit())
    shown = views.team(await teams.get(session, team_id))
    return changed(done, {**shown, **views.token_limit(done.value.limit)})


@router.delete("/{team_id}")
async def delete_team(team_id: TeamId, session: Asked) -> JSONResponse:
    """Deletes a team with its users, keys and limits; its usage stays."""
    done = await TENANTS.delete(session, team_id)
    return changed(done, {"message": "Team deleted", "team_id": team_id, "keys_deleted": done.value["api_keys"]})

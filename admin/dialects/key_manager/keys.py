"""/teams/{team_id}/keys, /users/{user_id}/keys and /delete_key: the keys of users in teams."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse
from pydantic import Field, StringConstraints

from admin.commands import keys, teams
from admin.dialects.key_manager import views
from admin.dialects.key_manager.call import MOST, Asked, changed
from admin.dialects.key_manager.teams import TeamId
from admin.fields import Body, Email, ModelName, UserId
from tenancy.directory.keys import NewKey
from tenancy.directory.teams import HeldKey

router = APIRouter()

KnownUserId = Annotated[UserId, Path()]


class KeyBody(Body):
    """Whose key is to be made.  The address replaces the user's; without models the key may use every one."""

    user_id: UserId
    user_email: Email | None = None
    models_allowed: list[ModelName] = Field([], max_length=1000)


class Secret(Body):
    """The secret of a key."""

    key: Annotated[str, StringConstraints(min_length=1, max_length=512)]


@router.post("/teams/{team_id}/keys")
async def create_key(team_id: TeamId, body: KeyBody, session: Asked) -> JSONResponse:
    """Creates a key.  Its secret, `api_key`, is shown here and never again."""
    # All that is shown is read before: once there is a key, nothing may keep its secret from the caller.
    team = (await teams.get(session, team_id)).tenant
    known = [each.email for each in await teams.members(session, 1, team_id, [body.user_id])]
    name = f"apikey-{body.user_id}-{team_id}-{secrets.token_hex(4)}"
    models = tuple(body.models_allowed) or None
    new = NewKey(name, user_id=body.user_id, user_email=body.user_email, models_allowed=models)
    done = await keys.create(session, team_id, new)
    held = HeldKey(done.value, body.user_email or "".join(known))
    shown = {"api_key": new.secret, **views.called(team), **views.key_of_team(held, team)}
    return changed(done, shown, 201)


@router.get("/teams/{team_id}/keys")
async def list_team_keys(team_id: TeamId, session: Asked) -> JSONResponse:
    """Lists a team's keys by name, and the users who have them."""
    found = await teams.get(session, team_id)
    team = found.tenant
    return JSONResponse(
        {
            "keys": [views.key_of_team(held, team) for held in await teams.keys_of_team(session, team_id, MOST)],
            "policy": views.policy_of(team),
            **views.called(team),
            "total_keys": found.keys,
            "total_users": found.users,
            "users": [views.member(each, team) for each in await teams.members(session, MOST, team_id)],
        }
    )


@router.get("/users/{user_id}/keys")
async def list_user_keys(user_id: KnownUserId, session: Asked) -> JSONResponse:
    """Lists a user's keys in all teams, by name."""
    held = await teams.keys_of_user(session, user_id, MOST)
    if not held:
        await teams.require_user(session, user_id)
    found = await teams.by_ids(session, [*{each.key.tenant_id for each in held}])
    shown = [views.key_of_user(each, found) for each in held if each.key.tenant_id in found]
    return JSONResponse({"keys": shown, "total_keys": len(shown), "user_id": user_id})


@router.delete("/delete_key")
async def delete_key(body: Secret, session: Asked) -> JSONResponse:
    """Deletes the key with this secret; within a second no sidecar accepts it."""
    done = await keys.delete_by_secret(session, body.key)
    gone = done.value
    return changed(done, {"message": "API key deleted", "secret_name": gone.name, "team_id": gone.tenant_id})

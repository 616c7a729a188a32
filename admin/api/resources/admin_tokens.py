"""/admin-tokens: who may use this API, beside the owner whose token is configured.  For owners only."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from admin.access.permission import Role
from admin.access.tokens import AdminToken, NewAdminToken
from admin.api.call import DELETES, Changing, Creating, Deleting, Reading
from admin.api.fields import Body, Expiry, Name, Time, View
from admin.commands import admin_tokens

router = APIRouter(prefix="/admin-tokens", tags=["admin tokens"])


TokenId = Annotated[str, Path(alias="id", description="The token's id")]


class AdminTokenBody(Body):
    """A token to be made.  Viewers read; operators change everything but admin tokens; owners those too."""

    name: Name = Field(description="What the audit log calls whoever uses it", examples=["ci"])
    role: Role
    expires_at: Expiry | None = None


@with_config(ConfigDict(extra="forbid"))
class AdminTokenPatch(TypedDict, total=False):
    """The fields to change.  What is absent stays."""

    name: Name
    role: Role
    expires_at: Expiry | None


class AdminTokenView(View):
    """An admin token, without the token itself."""

    id: str
    name: str
    role: Role
    token_prefix: str
    expires_at: Time | None
    created_at: Time
    updated_at: Time


class MintedAdminToken(View):
    """A new admin token.  The token is shown here and never again."""

    admin_token: AdminTokenView
    token: str


class AdminTokenList(View):
    """All admin tokens, by name."""

    admin_tokens: list[AdminTokenView]


@router.post("", status_code=201, response_model=MintedAdminToken)
async def create_admin_token(body: AdminTokenBody, call: Creating) -> dict[str, object]:
    """Creates an admin token; its name must be unique.  Only its hash is kept: a lost token means a new one."""
    new = NewAdminToken(body.name, body.role, body.expires_at)
    done = await admin_tokens.create(call.at, new)
    return {"admin_token": call.created(done, f"admin-tokens/{done.value.id}"), "token": new.token}


@router.get("", response_model=AdminTokenList)
async def list_admin_tokens(call: Reading) -> dict[str, object]:
    """Lists all admin tokens by name; not the configured one."""
    return {"admin_tokens": await admin_tokens.everyone(call.at)}


@router.get("/{id}", response_model=AdminTokenView)
async def get_admin_token(token_id: TokenId, call: Reading) -> AdminToken:
    """Shows an admin token, without the token itself."""
    return call.shown(await admin_tokens.get(call.at, token_id))


@router.patch("/{id}", response_model=AdminTokenView)
async def update_admin_token(token_id: TokenId, body: AdminTokenPatch, call: Changing) -> AdminToken:
    """Changes the fields given."""
    return call.changed(await admin_tokens.update(call.at, token_id, body))


@router.delete("/{id}", status_code=204, response_model=None, responses=DELETES)
async def delete_admin_token(token_id: TokenId, call: Deleting) -> Response:
    """Revokes an admin token: at once in this process, within 5 s in others."""
    return call.deleted(await admin_tokens.delete(call.at, token_id))

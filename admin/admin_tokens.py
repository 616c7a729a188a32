"""/admin-tokens: who may use this API, beside the owner whose token is configured.  For owners only; see gate.py."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import AfterValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from admin.fields import Body, Expiry, Name, Time, View
from admin.services import Use
from admin.terms import DELETES, By, ByCreating, ByDeleting, tagged
from admin.tokens import ADMIN_TOKEN_ID, AdminToken, NewAdminToken, NoSuchAdminToken, Role

router = APIRouter(prefix="/admin-tokens", tags=["admin tokens"])


def _check_id(text: str) -> str:
    if not ADMIN_TOKEN_ID.fullmatch(text):
        raise NoSuchAdminToken(text)
    return text


TokenId = Annotated[str, Path(alias="id", description="The token's id"), AfterValidator(_check_id)]


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
async def create_admin_token(
    body: AdminTokenBody, use: Use, by: ByCreating, response: Response
) -> dict[str, object]:  # fmt: skip
    """Creates an admin token; its name must be unique.  Only its hash is kept: a lost token means a new one."""
    new = NewAdminToken(body.name, body.role, body.expires_at)
    token = await use.admin_tokens.create(new, by)
    use.principals.forget()
    response.headers["location"] = f"/api/v1/admin-tokens/{token.id}"
    return {"admin_token": tagged(response, token), "token": new.token}


@router.get("", response_model=AdminTokenList)
async def list_admin_tokens(use: Use) -> dict[str, object]:
    """Lists all admin tokens by name; not the configured one."""
    return {"admin_tokens": await use.admin_tokens.list()}


@router.get("/{id}", response_model=AdminTokenView)
async def get_admin_token(token_id: TokenId, use: Use, response: Response) -> AdminToken:
    """Shows an admin token, without the token itself."""
    for token in await use.admin_tokens.list():
        if token.id == token_id:
            return tagged(response, token)
    raise NoSuchAdminToken(token_id)


@router.patch("/{id}", response_model=AdminTokenView)
async def update_admin_token(
    token_id: TokenId, body: AdminTokenPatch, use: Use, by: By, response: Response
) -> AdminToken:  # fmt: skip
    """Changes the fields given."""
    token = await use.admin_tokens.update(token_id, body, by)
    use.principals.forget()
    return tagged(response, token)


@router.delete("/{id}", status_code=204, response_model=None, responses=DELETES)
async def delete_admin_token(token_id: TokenId, use: Use, by: ByDeleting) -> Response:
    """Revokes an admin token: at once in this process, within 5 s in others."""
    gone = await use.admin_tokens.delete(token_id, by)
    use.principals.forget()
    return await use.deleted(gone, by)

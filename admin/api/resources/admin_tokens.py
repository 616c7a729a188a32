"""/admin-tokens: who may use this API, beside the owner whose token is configured.  For owners only."""

from fastapi import APIRouter
from pydantic import Field

from admin.access.permission import Role
from admin.access.tokens import MAX_ADMIN_TOKENS, AdminToken, NewAdminToken
from admin.api.call import Creating, Reading
from admin.api.derived import patch_of, shape, view_of
from admin.api.resources.routes import Routes
from admin.commands.directory import ADMIN_TOKENS
from admin.fields import Body, Expiry, Name

router = APIRouter(prefix="/admin-tokens", tags=["admin tokens"])


class AdminTokenBody(Body):
    """The fields of a new admin token.  Viewers read; operators change everything but admin tokens; owners change
    those too."""

    name: Name = Field(description="Name under which its changes appear in the audit log", examples=["ci"])
    role: Role
    expires_at: Expiry | None = None


AdminTokenPatch = patch_of(AdminTokenBody, "AdminTokenPatch", "The fields to change.  What is absent stays.")
AdminTokenView = view_of(AdminToken, "AdminTokenView", "An admin token, without the token itself.", role=Role)
MintedAdminToken = shape(
    "MintedAdminToken",
    "A new admin token.  The token is shown here and never again.",
    admin_token=AdminTokenView,
    token=str,
)
AdminTokenList = shape("AdminTokenList", "All admin tokens, by name.", admin_tokens=list[AdminTokenView])  # type: ignore[valid-type]

routes = Routes(router, ADMIN_TOKENS, "admin_token", AdminTokenView)
routes.show("Shows an admin token, without the token itself.")
routes.update("PATCH", AdminTokenPatch, "Changes the fields given.")
routes.delete("Revokes an admin token: at once in this process, within 5 s in others.")


@router.post("", status_code=201, response_model=MintedAdminToken)
async def create_admin_token(body: AdminTokenBody, call: Creating) -> dict[str, object]:
    """Creates an admin token; its name must be unique.  Only its hash is kept: a lost token means a new one."""
    new = NewAdminToken(body.name, body.role, body.expires_at)
    done = await ADMIN_TOKENS.create(call.session, new)
    return {"admin_token": call.created(done, f"/admin-tokens/{done.value.id}"), "token": new.token}


@router.get("", response_model=AdminTokenList)
async def list_admin_tokens(call: Reading) -> dict[str, object]:
    """Lists all admin tokens by name, without the configured one."""
    return {"admin_tokens": await ADMIN_TOKENS.page(call.session, 2 * MAX_ADMIN_TOKENS)}

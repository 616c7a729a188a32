"""/organization: one's own organization, its people, and invitations."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from admin.access.accounts import Account, AccountRole, Invitation
from admin.commands.directory import ACCOUNTS, ORGANIZATIONS
from admin.commands.organizations import accounts
from admin.dialects.portal.call import Asked, own
from admin.fields import Body, Email, Flag, rfc3339
from tenancy.directory.organizations import MAX_TENANTS

PREFIX = "/organization"
PEOPLE = (f"{PREFIX}/accounts", f"{PREFIX}/invitations")
router = APIRouter(prefix=PREFIX)

MOST = 1000
Id = Annotated[str, Path(alias="id")]


class InvitationBody(Body):
    """Who is to have an account, and as what."""

    email: Email
    role: AccountRole = AccountRole.MEMBER


class AccountPatch(Body):
    """The fields to change; what is absent stays."""

    role: AccountRole | None = None
    disabled: Flag | None = None


@router.get("")
async def get_organization(session: Asked) -> dict[str, Any]:
    """Shows the organization and its plan."""
    found = await ORGANIZATIONS.get(session, own(session))
    return {
        "id": found.id,
        "name": found.name,
        "billing_plan": found.plan,
        "plan_max_tenants": MAX_TENANTS[found.plan],
        "created_at": rfc3339(found.created_at),
    }


@router.get("/accounts")
async def list_accounts(session: Asked) -> list[dict[str, Any]]:
    """Lists the organization's people by e-mail address."""
    own(session)
    return [_account(each) for each in await ACCOUNTS.page(session, MOST)]


@router.patch("/accounts/{id}")
async def update_account(id: Id, body: AccountPatch, session: Asked) -> dict[str, Any]:
    """Gives somebody another role, or locks them out."""
    own(session)
    change = body.model_dump(exclude_none=True)
    return _account((await accounts.update(session, id, change)).value)


@router.delete("/accounts/{id}", status_code=204, response_model=None)
async def delete_account(id: Id, session: Asked) -> Response:
    """Deletes somebody's account."""
    own(session)
    await ACCOUNTS.delete(session, id)
    return Response(status_code=204)


@router.post("/invitations", status_code=201)
async def invite(body: InvitationBody, session: Asked) -> dict[str, Any]:
    """Invites somebody.  `invitation` is shown here and never again: hand it to them, for /auth/accept."""
    made, token = (await accounts.invite(session, own(session), body.email, body.role)).value
    return {**_invitation(made), "invitation": token}


@router.get("/invitations")
async def list_invitations(session: Asked) -> list[dict[str, Any]]:
    """Lists the invitations that are open, oldest first."""
    return [_invitation(each) for each in await accounts.invitations(session, own(session), MOST)]


@router.delete("/invitations/{id}", status_code=204, response_model=None)
async def withdraw_invitation(id: Id, session: Asked) -> Response:
    """Withdraws an invitation."""
    own(session)
    await accounts.withdraw(session, id)
    return Response(status_code=204)


def _account(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "email": account.email,
        "role": account.role,
        "disabled": account.disabled,
        "created_at": rfc3339(account.created_at),
    }


def _invitation(of: Invitation) -> dict[str, Any]:
    times = {"created_at": rfc3339(of.created_at), "expires_at": rfc3339(of.expires_at)}
    return {"id": of.id, "email": of.email, "role": of.role, **times}

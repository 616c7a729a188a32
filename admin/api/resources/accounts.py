"""/accounts: the people of organizations, who sign in with e-mail address and password.  For owners only."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, StringConstraints

from admin.access.accounts import Account, AccountRole
from admin.access.passwords import MAX_CHARACTERS, MIN_CHARACTERS
from admin.api.call import Reading
from admin.api.derived import patch_of, view_of
from admin.api.paging import Page, page_of
from admin.api.resources.routes import Routes
from admin.commands.directory import ACCOUNTS
from admin.commands.organizations import accounts
from admin.commands.organizations.accounts import AccountRequest
from admin.fields import AnyId, Body, Email, Flag

router = APIRouter(prefix="/accounts", tags=["organizations"])

Password = Annotated[str, StringConstraints(min_length=MIN_CHARACTERS, max_length=MAX_CHARACTERS)]


class AccountBody(Body):
    """The fields of a new account.  Viewers read; members change tenants and keys; owners manage people too."""

    email: Email
    password: Password = Field(examples=["a first password"])
    organization: AnyId = Field(examples=["org_0f1e2d3c4b5a"])
    role: AccountRole = AccountRole.MEMBER


AccountPatch = patch_of(
    AccountBody,
    "AccountPatch",
    "The fields to change.  A new password, or `disabled`, ends all sessions of the account.",
    *("role", "disabled", "password"),
    disabled=Flag,
)
AccountView = view_of(Account, "AccountView", "Somebody of an organization.")
AccountPage = page_of("AccountPage", "A page of accounts, by e-mail address.", accounts=AccountView)

routes = Routes(router, ACCOUNTS, "account", AccountView)
routes.create(AccountBody, AccountRequest, "Creates an account; its e-mail address must be unique.", by=accounts.create)
routes.show("Shows an account.")
routes.update("PATCH", AccountPatch, "Changes the fields given.", by=accounts.update)
routes.delete("Deletes an account; its sessions end at once in this process, within 5 s in others.")


@router.get("", response_model=AccountPage)
async def list_accounts(page: Annotated[Page, Query()], call: Reading) -> dict[str, object]:
    """Lists accounts by e-mail address."""
    return page.answer("accounts", await ACCOUNTS.page(call.session, page.limit + 1, page.after_name()), "email")

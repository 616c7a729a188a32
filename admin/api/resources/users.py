"""/tenants/{id}/users: the people within a tenant and their limits."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from admin.api.call import DELETES, Changing, Deleting, Reading
from admin.api.paging import Page, page_of
from admin.api.resources.tenants import TenantId
from admin.commands import users
from admin.fields import Body, Email, Requests, Time, Tokens, UserId, View
from tenancy.directory.users import NewUser, User

router = APIRouter(prefix="/tenants/{id}/users", tags=["users"])

KnownUserId = Annotated[str, Path()]
Cascade = Annotated[bool, Query(description="Delete the user's keys too")]


class UserBody(Body):
    """The new fields of a user.  Limits count all keys of the user; those that are null or absent do not apply."""

    email: Email | None = Field(None, examples=["ann@example.com"])
    tokens_per_minute: Tokens | None = None
    requests_per_minute: Requests | None = None


class UserView(View):
    """A person within a tenant."""

    id: str
    tenant_id: str
    email: str
    tokens_per_minute: int | None
    requests_per_minute: int | None
    created_at: Time


UserPage = page_of("UserPage", "A page of users, by id.", users=UserView)


@router.get("", response_model=UserPage)
async def list_users(tenant_id: TenantId, page: Annotated[Page, Query()], call: Reading) -> dict[str, object]:
    """Lists a tenant's users by id."""
    return page.answer("users", await users.page(call.session, tenant_id, page.limit + 1, page.after_name()), "id")


@router.get("/{user_id}", response_model=UserView)
async def get_user(tenant_id: TenantId, user_id: KnownUserId, call: Reading) -> User:
    """Shows a user."""
    return call.shown(await users.get(call.session, tenant_id, user_id))


@router.put("/{user_id}", response_model=UserView)
async def put_user(
    tenant_id: TenantId, user_id: Annotated[UserId, Path()], body: UserBody, call: Changing
) -> User:  # fmt: skip
    """Creates or replaces a user."""
    new = NewUser(user_id, body.email or "", body.tokens_per_minute, body.requests_per_minute)
    return call.changed(await users.put(call.session, tenant_id, new))


@router.delete("/{user_id}", status_code=204, response_model=None, responses=DELETES)
async def delete_user(
    tenant_id: TenantId, user_id: KnownUserId, call: Deleting, cascade: Cascade = False
) -> Response:  # fmt: skip
    """Deletes a user who has no keys; with `cascade` also a user with keys, and these keys."""
    return call.deleted(await users.delete(call.session, tenant_id, user_id, cascade=cascade))

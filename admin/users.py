"""/tenants/{id}/users: the people within a tenant and their limits."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator, Field

from admin.fields import Body, Email, Requests, Time, Tokens, UserId, View
from admin.paging import Page, cut
from admin.services import Use
from admin.tenants import TenantId
from admin.terms import DELETES, By, ByDeleting, tagged
from tenancy.directory.tenants import NoSuchTenant
from tenancy.directory.users import USER_ID, NewUser, NoSuchUser, User

router = APIRouter(prefix="/tenants/{id}/users", tags=["users"])


def _check_user_id(text: str) -> str:
    if not USER_ID.fullmatch(text):
        raise NoSuchUser(text)
    return text


KnownUserId = Annotated[str, Path(), AfterValidator(_check_user_id)]
Cascade = Annotated[bool, Query(description="Delete the user's keys too")]


class UserBody(Body):
    """A user as it shall be.  A limit counts all keys of the user; null or absent does not limit."""

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


class UserPage(View):
    """A page of users, by id."""

    users: list[UserView]
    next_cursor: str | None


@router.get("", response_model=UserPage)
async def list_users(tenant_id: TenantId, page: Annotated[Page, Query()], use: Use) -> dict[str, object]:
    """Lists a tenant's users by id."""
    if await use.tenants.get(tenant_id) is None:
        raise NoSuchTenant(tenant_id)
    found = await use.users.page(tenant_id, page.limit + 1, page.after_name())
    users, next_cursor = cut(found, page.limit, lambda user: (user.id,))
    return {"users": users, "next_cursor": next_cursor}


@router.get("/{user_id}", response_model=UserView)
async def get_user(tenant_id: TenantId, user_id: KnownUserId, use: Use, response: Response) -> User:
    """Shows a user."""
    user = await use.users.get(tenant_id, user_id)
    if user is None:
        raise NoSuchUser(user_id) if await use.tenants.get(tenant_id) else NoSuchTenant(tenant_id)
    return tagged(response, user)


@router.put("/{user_id}", response_model=UserView)
async def put_user(
    tenant_id: TenantId, user_id: Annotated[UserId, Path()], body: UserBody, use: Use, by: By, response: Response
) -> User:
    """Makes or replaces a user."""
    new = NewUser(user_id, body.email or "", body.tokens_per_minute, body.requests_per_minute)
    user = await use.users.put(tenant_id, new, by)
    await use.propagate(response)
    return tagged(response, user)


@router.delete("/{user_id}", status_code=204, response_model=None, responses=DELETES)
async def delete_user(
    tenant_id: TenantId, user_id: KnownUserId, use: Use, by: ByDeleting, cascade: Cascade = False
) -> Response:
    """Deletes a user who has no keys any more, or with them."""
    return await use.deleted(await use.users.delete(tenant_id, user_id, by, cascade=cascade), by)

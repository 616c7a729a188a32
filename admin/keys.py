"""/tenants/{id}/keys and /keys: create (secret shown once), list, change, disable and delete keys."""

from typing import Annotated, cast

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator, ConfigDict, Field, model_validator, with_config
from typing_extensions import TypedDict

from admin.fields import (
    Body,
    Email,
    Expiry,
    Flag,
    KeyPrefix,
    ModelNames,
    Name,
    Overlap,
    Requests,
    Time,
    Tokens,
    UserId,
    View,
)
from admin.paging import NamedPage, Page, cut
from admin.services import Services, Use
from admin.tenants import TenantId
from admin.terms import DELETES, By, ByCreating, ByDeleting, ByRotating, tagged
from tenancy.directory.keys import KEY_ID, Key, KeyChange, NewKey, NoSuchKey
from tenancy.directory.tenants import NoSuchTenant
from tenancy.values.secret import mint_secret

router = APIRouter(tags=["keys"])


def _check_key_id(text: str) -> str:
    if not KEY_ID.fullmatch(text):
        raise NoSuchKey(text)
    return text


KeyId = Annotated[str, Path(alias="id", description="The key's id"), AfterValidator(_check_key_id)]


class KeyBody(Body):
    """A key to be made.  Absent or null: no user, every model, not limited, never expires."""

    name: Name = Field(examples=["prod"])
    user_id: UserId | None = None
    user_email: Email | None = Field(None, description="Sets the e-mail address of the user `user_id`")
    models_allowed: ModelNames | None = None
    tokens_per_minute: Tokens | None = None
    requests_per_minute: Requests | None = None
    expires_at: Expiry | None = None

    @model_validator(mode="after")
    def _email_needs_user(self) -> "KeyBody":
        if self.user_email is not None and self.user_id is None:
            raise ValueError("user_email: needs a user_id")
        return self


@with_config(ConfigDict(extra="forbid"))
class KeyPatch(TypedDict, total=False):
    """The fields to change.  What is absent stays; null lifts a limit."""

    name: Name
    user_id: UserId | None
    disabled: Flag
    models_allowed: ModelNames | None
    tokens_per_minute: Tokens | None
    requests_per_minute: Requests | None
    expires_at: Expiry | None


class DisabledBody(Body):
    """True: the key is refused with 403.  False: it works again."""

    disabled: Flag


class RotateBody(Body):
    """How long the old secret works beside the new one."""

    overlap_seconds: Overlap = Field(0, examples=[3600], description="0: the old secret stops at once")


class KeyQuery(NamedPage):
    """A page of keys, or of those that a piece of a secret may belong to."""

    prefix: KeyPrefix | None = Field(
        None, description="Only keys whose secret (or one that a rotation replaced) begins so; at most 18 characters"
    )


class KeyView(View):
    """A key, without its secret.  `last_used_at` may be a minute old.  Until `overlap_until` secrets that a rotation
    replaced work too."""

    id: str
    key_prefix: str
    name: str
    tenant_id: str
    user_id: str | None
    disabled: bool
    models_allowed: list[str] | None
    tokens_per_minute: int | None
    requests_per_minute: int | None
    expires_at: Time | None
    last_used_at: Time | None
    overlap_until: Time | None
    created_at: Time
    updated_at: Time


class MintedKey(View):
    """A new key.  The secret is shown here and never again."""

    key: KeyView
    secret: str


class KeyPage(View):
    """A page of keys, oldest first."""

    keys: list[KeyView]
    next_cursor: str | None


NO_OVERLAP = RotateBody(overlap_seconds=0)


@router.post("/tenants/{id}/keys", status_code=201, response_model=MintedKey)
async def create_key(
    tenant_id: TenantId, body: KeyBody, use: Use, by: ByCreating, response: Response
) -> dict[str, object]:
    """Creates a key for a tenant.  Only the hash of its secret is kept: a lost secret means a new key."""
    new = NewKey(**{**body.model_dump(), "models_allowed": _names(body.models_allowed)})
    key = await use.keys.create(tenant_id, new, by)
    await use.propagate(response)
    response.headers["location"] = f"/api/v1/keys/{key.id}"
    return {"key": tagged(response, key), "secret": new.secret}


@router.get("/tenants/{id}/keys", response_model=KeyPage)
async def list_tenant_keys(tenant_id: TenantId, page: Annotated[Page, Query()], use: Use) -> dict[str, object]:
    """Lists a tenant's keys, oldest first, without secrets."""
    if await use.tenants.get(tenant_id) is None:
        raise NoSuchTenant(tenant_id)
    return await _page(use, page, tenant_id)


@router.get("/keys", response_model=KeyPage)
async def list_keys(page: Annotated[KeyQuery, Query()], use: Use) -> dict[str, object]:
    """Lists all keys, oldest first, without secrets."""
    return await _page(use, page, None, page.prefix or "", page.name or "")


@router.get("/keys/{id}", response_model=KeyView)
async def get_key(key_id: KeyId, use: Use, response: Response) -> Key:
    """Shows a key, without its secret."""
    key = await use.keys.get(key_id)
    if key is None:
        raise NoSuchKey(key_id)
    return tagged(response, key)


@router.patch("/keys/{id}", response_model=KeyView)
async def update_key(key_id: KeyId, body: KeyPatch, use: Use, by: By, response: Response) -> Key:
    """Changes the fields given."""
    change = cast(KeyChange, {**body})
    if "models_allowed" in body:
        change["models_allowed"] = _names(body["models_allowed"])
    return await _change(key_id, change, use, by, response)


@router.put("/keys/{id}/disabled", response_model=KeyView)
async def set_key_disabled(key_id: KeyId, body: DisabledBody, use: Use, by: By, response: Response) -> Key:
    """Disables a key, or enables it again."""
    return await _change(key_id, {"disabled": body.disabled}, use, by, response)


@router.post("/keys/{id}/rotate", status_code=201, response_model=MintedKey)
async def rotate_key(
    key_id: KeyId, use: Use, by: ByRotating, response: Response, body: RotateBody = NO_OVERLAP
) -> dict[str, object]:
    """Gives a key a new secret.  Its id, limits and usage stay; older secrets end after the overlap at the latest."""
    secret = mint_secret()
    key = await use.keys.rotate(key_id, secret, body.overlap_seconds, by)
    await use.propagate(response)
    return {"key": tagged(response, key), "secret": secret}


@router.delete("/keys/{id}", status_code=204, response_model=None, responses=DELETES)
async def delete_key(key_id: KeyId, use: Use, by: ByDeleting) -> Response:
    """Deletes a key; within a second no sidecar accepts it."""
    return await use.deleted(await use.keys.delete(key_id, by), by)


async def _change(key_id: str, change: KeyChange, use: Services, by: By, response: Response) -> Key:
    key = await use.keys.update(key_id, change, by)
    await use.propagate(response)
    return tagged(response, key)


async def _page(
    use: Services, page: Page, tenant_id: str | None, prefix: str = "", name: str = ""
) -> dict[str, object]:
    found = await use.keys.page(page.limit + 1, page.after_time(), tenant_id, prefix, name)
    keys, next_cursor = cut(found, page.limit, lambda key: (key.created_at, key.id))
    return {"keys": keys, "next_cursor": next_cursor}


def _names(models: list[str] | None) -> tuple[str, ...] | None:
    return None if models is None else tuple(dict.fromkeys(models))

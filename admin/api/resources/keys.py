"""/tenants/{id}/keys and /keys: create (secret shown once), list, change, disable and delete keys."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field, StringConstraints

from admin.api.call import Creating, Reading, Rotating
from admin.api.derived import patch_of, shape, view_of
from admin.api.paging import NamedPage, Page, page_of
from admin.api.resources.routes import Routes
from admin.api.resources.tenants import TenantId
from admin.commands import keys
from admin.commands.directory import KEYS
from admin.fields import Body, Email, Expiry, Flag, InFlight, ModelName, Name, Requests, Tokens, UserId
from tenancy.directory.keys import Key, NewKey

router = APIRouter(tags=["keys"])

ModelNames = Annotated[list[ModelName], Field(min_length=1, max_length=1000)]
Overlap = Annotated[int, Field(strict=True, ge=0, le=30 * 86_400)]
KeyPrefix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{3,18}$")]
KeyId = Annotated[str, Path(alias="id", description="The key's id")]


class KeyBody(Body):
    """The fields of a new key.  Where they are absent or null, the key has no user, may use every model, has no limits
    and never expires."""

    name: Name = Field(examples=["prod"])
    user_id: UserId | None = None
    user_email: Email | None = Field(None, description="E-mail address to set for the user `user_id`")
    models_allowed: ModelNames | None = None
    tokens_per_minute: Tokens | None = None
    requests_per_minute: Requests | None = None
    max_in_flight: InFlight | None = Field(None, description="Maximum requests at once, in all sidecars")
    expires_at: Expiry | None = None


KEY_PATCH = (
    "name",
    "user_id",
    "disabled",
    "models_allowed",
    "tokens_per_minute",
    "requests_per_minute",
    "max_in_flight",
    "expires_at",
)
KeyPatch = patch_of(
    KeyBody,
    "KeyPatch",
    "The fields to change.  What is absent stays; null lifts a limit.",
    *KEY_PATCH,
    disabled=Flag,
)


class DisabledBody(Body):
    """Whether the key is disabled.  True: it is refused with 403.  False: it works again."""

    disabled: Flag


class RotateBody(Body):
    """How long the old secret works beside the new one."""

    overlap_seconds: Overlap = Field(0, examples=[3600], description="Seconds; 0: the old secret stops working at once")


class KeyQuery(NamedPage):
    """Which page of the keys is listed, and the beginning of the secret to look for."""

    prefix: KeyPrefix | None = Field(
        None,
        description="Only keys whose secret (or one that a rotation replaced) begins with this; at most 18 characters",
    )


KeyView = view_of(
    Key,
    "KeyView",
    """A key, without its secret.  `last_used_at` may be a minute old.  Until `overlap_until` secrets that a rotation
replaced work too.""",
)
MintedKey = shape("MintedKey", "A new key.  The secret is shown here and never again.", key=KeyView, secret=str)
KeyPage = page_of("KeyPage", "A page of keys, oldest first.", keys=KeyView)


NO_OVERLAP = RotateBody(overlap_seconds=0)

routes = Routes(router, KEYS, "key", KeyView, below="/keys")
routes.show("Shows a key, without its secret.")
routes.delete("Deletes a key; within a second no sidecar accepts it.")


@router.post("/tenants/{id}/keys", status_code=201, response_model=MintedKey)
async def create_key(tenant_id: TenantId, body: KeyBody, call: Creating) -> dict[str, object]:
    """Creates a key for a tenant.  Only the hash of its secret is kept: a lost secret means a new key."""
    new = NewKey(**body.model_dump())
    done = await keys.create(call.session, tenant_id, new)
    return {"key": call.created(done, f"/keys/{done.value.id}"), "secret": new.secret}


@router.get("/tenants/{id}/keys", response_model=KeyPage)
async def list_tenant_keys(tenant_id: TenantId, page: Annotated[Page, Query()], call: Reading) -> dict[str, object]:
    """Lists a tenant's keys, oldest first, without secrets."""
    found = await keys.page(call.session, page.limit + 1, page.after_time(), tenant_id)
    return page.answer("keys", found, "created_at", "id")


@router.get("/keys", response_model=KeyPage)
async def list_keys(page: Annotated[KeyQuery, Query()], call: Reading) -> dict[str, object]:
    """Lists all keys, oldest first, without secrets."""
    called = {"prefix": page.prefix or "", "name": page.name or ""}
    found = await keys.page(call.session, page.limit + 1, page.after_time(), **called)
    return page.answer("keys", found, "created_at", "id")


routes.update("PATCH", KeyPatch, "Changes the fields given.", by=keys.update)
routes.update("PUT", DisabledBody, "Disables a key, or enables it again.", dict, at="/disabled")


@router.post("/keys/{id}/rotate", status_code=201, response_model=MintedKey)
async def rotate_key(key_id: KeyId, call: Rotating, body: RotateBody = NO_OVERLAP) -> dict[str, object]:
    """Gives a key a new secret.  Its id, limits and usage stay; older secrets end after the overlap at the latest."""
    done = await keys.rotate(call.session, key_id, body.overlap_seconds)
    key, secret = done.value
    call.told(done)
    return {"key": call.shown(key), "secret": secret}

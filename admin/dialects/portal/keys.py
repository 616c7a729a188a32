"""/tenants/{id}/keys: create (secret shown once), list and revoke keys."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from admin.commands import keys
from admin.dialects.portal.call import Asked
from admin.dialects.portal.ids import key_id
from admin.dialects.portal.tenants import MOST, PAGE, TenantId
from admin.fields import Body, Name, rfc3339
from tenancy.directory.keys import Key, NewKey
from tenancy.values.secret import PORTAL_PREFIX, mint_secret

router = APIRouter(prefix="/tenants/{id}/keys")

SHOWN_CHARACTERS = 8
KeyId = Annotated[str, Path()]


class KeyBody(Body):
    """A key to be made."""

    display_name: Name


@router.post("", status_code=201)
async def create_key(tenant_id: TenantId, body: KeyBody, session: Asked) -> dict[str, Any]:
    """Creates a key.  `key` is shown here and never again."""
    new = NewKey(body.display_name, id=key_id(), secret=mint_secret(PORTAL_PREFIX))
    made = (await keys.create(session, tenant_id, new)).value
    return {**_shown(made), "key": new.secret}


@router.get("")
async def list_keys(tenant_id: TenantId, session: Asked) -> list[dict[str, Any]]:
    """Lists a tenant's keys, oldest first, without what they are."""
    found: list[Key] = []
    while len(found) < MOST:
        page = await keys.page(session, PAGE, (found[-1].created_at, found[-1].id) if found else None, tenant_id)
        found += page
        if len(page) < PAGE:
            break
    return [_shown(key) for key in found]


@router.delete("/{key_id}", status_code=204, response_model=None)
async def revoke_key(tenant_id: TenantId, key_id: KeyId, session: Asked) -> Response:
    """Revokes a key: within a second no sidecar accepts it."""
    await keys.delete_of(session, tenant_id, key_id)
    return Response(status_code=204)


def _shown(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "display_name": key.name,
        "prefix": key.key_prefix[:SHOWN_CHARACTERS],
        "created_at": rfc3339(key.created_at),
    }

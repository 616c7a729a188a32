"""Keys: minting, changing and rotating them, and how they are listed."""

from collections.abc import Sequence
from dataclasses import replace

from admin.access.permission import ResourceKind
from admin.commands.directory import KEYS, TENANTS
from admin.commands.refusals import Reason, Refusal, Refused, invalid
from admin.commands.session import Done, Session, command, query
from tenancy.directory.change_request import Deleted
from tenancy.directory.keys import Key, KeyChange, NewKey, NoSuchKey
from tenancy.directory.tenants import Position
from tenancy.values.secret import form_of, mint_secret

UNKNOWN_SECRET = Refusal(Reason.NOT_FOUND, "this is not the secret of any key")


@query(ResourceKind.KEY)
async def page(
    session: Session,
    limit: int,
    after: Position | None = None,
    tenant_id: str | None = None,
    *,
    prefix: str = "",
    name: str = "",
) -> tuple[Key, ...]:
    """At most `limit` keys, oldest first, after the position; of one tenant or of all.  `prefix`: of a secret."""
    if tenant_id is not None:
        await TENANTS.get(session, tenant_id)
    return await session.ports.keys.page(limit, after, tenant_id, prefix, name)


@command(ResourceKind.KEY)
async def create(session: Session, tenant_id: str, new: NewKey) -> Key:
    """The secret is in `new`: it is to be shown once, and only its hash is kept."""
    if new.user_email is not None and new.user_id is None:
        raise invalid(("user_email", "needs a user_id"))
    new = replace(new, models_allowed=_distinct(new.models_allowed))
    return await session.ports.keys.create(TENANTS.id(tenant_id), new, session.by)


@command(ResourceKind.KEY)
async def update(session: Session, key_id: str, change: KeyChange) -> Key:
    if "models_allowed" in change:
        change = {**change, "models_allowed": _distinct(change["models_allowed"])}
    return await session.ports.keys.update(KEYS.id(key_id), change, session.by)


@command(ResourceKind.KEY)
async def delete_of(session: Session, tenant_id: str, key_id: str) -> Deleted:
    """Deletes a key of this tenant; another tenant's counts as unknown."""
    found = await session.ports.keys.get(KEYS.id(key_id))
    if found is None or found.tenant_id != TENANTS.id(tenant_id):
        raise NoSuchKey(key_id)
    return await session.ports.keys.delete(key_id, session.by)


@command(ResourceKind.KEY)
async def rotate(session: Session, key_id: str, overlap_seconds: int) -> tuple[Key, str]:
    """The key and its new secret, to be shown once.  Older secrets end after the overlap at the latest."""
    before = await session.ports.keys.get(KEYS.id(key_id))
    if before is None:
        raise NoSuchKey(key_id)
    secret = mint_secret(form_of(before.key_prefix))
    return await session.ports.keys.rotate(key_id, secret, overlap_seconds, session.by), secret


async def delete_by_secret(session: Session, secret: str) -> Done[Key]:
    """Deletes the key that the secret opens, and returns it.  No answer and no log has the secret."""
    key = await session.read(ResourceKind.KEY, lambda: session.ports.keys.by_secret(secret))
    if key is None:
        raise Refused(UNKNOWN_SECRET)
    return Done(key, (await KEYS.delete(session, key.id)).told)


def _distinct(models: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if models is None else tuple(dict.fromkeys(models))

"""Keys: the value and the port through which they change.  No SQL, no HTTP; the value holds no secret and no hash."""

import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypedDict

from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.tenants import Position
from tenancy.values.secret import mint_secret

KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class NoSuchKey(LookupError):
    """No key has this id."""


@dataclass(frozen=True, slots=True)
class Key:
    """What may be shown of a key.  None: no user, every model, not limited, never expires, never used.

    `last_used_at` is up to a minute old.  Until `overlap_until` secrets that a rotation replaced still work.
    """

    id: str
    tenant_id: str
    name: str
    key_prefix: str
    user_id: str | None
    disabled: bool
    models_allowed: tuple[str, ...] | None
    tokens_per_minute: int | None
    requests_per_minute: int | None
    expires_at: datetime | None
    last_used_at: datetime | None
    overlap_until: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be made, with its secret: shown to the one who asked, then forgotten; only hash and prefix are kept.

    The user is made if the tenant has none of this id; an e-mail address replaces the user's own, None leaves it.
    """

    name: str
    user_id: str | None = None
    user_email: str | None = None
    models_allowed: tuple[str, ...] | None = None
    tokens_per_minute: int | None = None
    requests_per_minute: int | None = None
    expires_at: datetime | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secret: str = field(default_factory=mint_secret, repr=False)


class KeyChange(TypedDict, total=False):
    """The fields to change; what is absent stays, None lifts a limit.  A user that is new is made."""

    name: str
    user_id: str | None
    disabled: bool
    models_allowed: tuple[str, ...] | None
    tokens_per_minute: int | None
    requests_per_minute: int | None
    expires_at: datetime | None


class Keys(Protocol):
    """Each change is atomic with its audit entry and the announcement to Redis, and changes of one tenant are in order.

    Raises what store.postgres.UNAVAILABLE lists when it could not be done (or it is not known that it was).
    """

    async def create(self, tenant_id: str, new: NewKey, by: ChangeRequest) -> Key:
        """tenancy.directory.tenants.NoSuchTenant."""

    async def get(self, key_id: str) -> Key | None:
        """None if there is none."""

    async def page(
        self,
        limit: int,
        after: Position | None = None,
        tenant_id: str | None = None,
        prefix: str = "",
        name: str = "",
    ) -> tuple[Key, ...]:
        """At most `limit` keys, oldest first, after the position; of one tenant or of all.

        With a `prefix`: keys that have, or had before a rotation, a secret whose `key_prefix` begins so.
        With a `name`: keys that are called so, of which there may be several.
        """

    async def update(self, key_id: str, change: KeyChange, by: ChangeRequest) -> Key:
        """NoSuchKey, StateChanged.  A change that changes nothing leaves no trace."""

    async def rotate(self, key_id: str, secret: str, overlap_seconds: int, by: ChangeRequest) -> Key:
        """Gives the key a new secret; older ones end after the overlap at the latest.  NoSuchKey, StateChanged."""

    async def delete(self, key_id: str, by: ChangeRequest) -> Deleted:
        """NoSuchKey, StateChanged."""


def action_of(before: Key, after: Key) -> str:
    """The audit log's word for a change."""
    if before.disabled == after.disabled:
        return "update_api_key"
    return "disable_api_key" if after.disabled else "enable_api_key"

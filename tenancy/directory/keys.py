"""Keys: the values and the port through which they change.  No SQL, no HTTP; `Key` holds no secret and no hash."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypedDict

from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.tenants import Position
from tenancy.values.secret import HashedSecret, mint_secret


class NoSuchKey(LookupError):
    """No key has this id."""


class SecretTaken(ValueError):
    """Another key has this secret."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key, without its secret.  None: no user, every model, not limited, never expires, never used.

    `last_used_at` is up to a minute late.  Until `overlap_until`, secrets that a rotation replaced still work.
    """

    id: str
    key_prefix: str
    name: str
    tenant_id: str
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
    max_in_flight: int | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be created.  Its secret is shown once, to the caller that asked for it; only hash and prefix are stored.

    The user is created if the tenant has none with this id.  An e-mail address replaces the user's, None leaves it.
    `hashed`: of a secret that another system has given out, which then takes the place of `secret`.
    """

    name: str
    user_id: str | None = None
    user_email: str | None = None
    models_allowed: tuple[str, ...] | None = None
    tokens_per_minute: int | None = None
    requests_per_minute: int | None = None
    expires_at: datetime | None = None
    max_in_flight: int | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secret: str = field(default_factory=mint_secret, repr=False)
    hashed: HashedSecret | None = None
    disabled: bool = False

    @property
    def stored(self) -> HashedSecret:
        """What is kept of its secret."""
        return self.hashed or HashedSecret.of(self.secret)


class KeyChange(TypedDict, total=False):
    """Fields to change; an absent one stays, None removes a limit.  A user that does not exist is created."""

    name: str
    user_id: str | None
    disabled: bool
    models_allowed: tuple[str, ...] | None
    tokens_per_minute: int | None
    requests_per_minute: int | None
    max_in_flight: int | None
    expires_at: datetime | None


class Keys(Protocol):
    """Each change is atomic with its audit entry and its outbox rows; the changes of one tenant are made in order.

    Raises what store.postgres.UNAVAILABLE lists; a change may then have been made, or not.
    """

    async def create(self, tenant_id: str, new: NewKey, by: ChangeRequest) -> Key:
        """tenancy.directory.tenants.NoSuchTenant, SecretTaken."""

    async def get(self, key_id: str) -> Key | None:
        """None if there is none."""

    async def by_secret(self, secret: str) -> Key | None:
        """The key that this secret opens, also as one that a rotation replaced and that still works; None if none."""

    async def page(
        self,
        limit: int,
        after: Position | None = None,
        tenant_id: str | None = None,
        prefix: str = "",
        name: str = "",
        organization: str | None = None,
    ) -> tuple[Key, ...]:
        """At most `limit` keys, oldest first, after the position; of one tenant, of an organization, or of all.

        With a `prefix`: only keys with a secret, or one that a rotation replaced, whose `key_prefix` starts with it.
        With a `name`: only keys of that name, of which there may be several.
        """

    async def update(self, key_id: str, change: KeyChange, by: ChangeRequest) -> Key:
        """NoSuchKey, StateChanged.  A change that changes nothing leaves no trace."""

    async def rotate(self, key_id: str, secret: str, overlap_seconds: int, by: ChangeRequest) -> Key:
        """Gives the key a new secret; older ones expire after the overlap, or earlier.  NoSuchKey, StateChanged."""

    async def delete(self, key_id: str, by: ChangeRequest) -> Deleted:
        """NoSuchKey, StateChanged."""


def action_of(before: Key, after: Key) -> str:
    """The audit log's word for a change."""
    if before.disabled == after.disabled:
        return "update_api_key"
    return "disable_api_key" if after.disabled else "enable_api_key"

"""Users: the value and the port through which they change.  No SQL, no HTTP.  Keys make users too (keys.py)."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tenancy.directory.change_request import ChangeRequest, Deleted

USER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}")


class NoSuchUser(LookupError):
    """The tenant has no user of this id."""


class UserHasKeys(ValueError):
    """The user still has keys."""


@dataclass(frozen=True, slots=True)
class User:
    """A person within a tenant, who shares its limits among the keys of theirs.  None: not limited."""

    tenant_id: str
    id: str
    email: str
    tokens_per_minute: int | None
    requests_per_minute: int | None
    created_at: datetime

    @property
    def target(self) -> tuple[str, str]:
        """What the audit log calls it: a user's id is unique only within the tenant."""
        return "user", f"{self.tenant_id}/{self.id}"


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user as it shall be."""

    id: str
    email: str = ""
    tokens_per_minute: int | None = None
    requests_per_minute: int | None = None


class Users(Protocol):
    """Each change is atomic with its audit entry and the announcement to Redis, and changes of one tenant are in order.

    Raises what store.postgres.UNAVAILABLE lists when it could not be done (or it is not known that it was).
    """

    async def put(self, tenant_id: str, new: NewUser, by: ChangeRequest) -> User:
        """Makes or replaces the user.  tenants.NoSuchTenant, StateChanged.  No change leaves no trace."""

    async def get(self, tenant_id: str, user_id: str) -> User | None:
        """None if there is none."""

    async def page(self, tenant_id: str, limit: int, after: str = "") -> tuple[User, ...]:
        """At most `limit` users of a tenant by id, after the given one; none if there is no such tenant."""

    async def delete(self, tenant_id: str, user_id: str, by: ChangeRequest, *, cascade: bool = False) -> Deleted:
        """With the user's keys if `cascade`.  NoSuchTenant, NoSuchUser, UserHasKeys, StateChanged."""

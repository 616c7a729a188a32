"""Users: the values and the port through which they change.  No SQL, no HTTP.  Creating a key may create its user."""

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
    """A person within a tenant; all keys of a user share the user's limits.  None: not limited."""

    tenant_id: str
    id: str
    email: str
    tokens_per_minute: int | None
    requests_per_minute: int | None
    created_at: datetime

    @property
    def target(self) -> tuple[str, str]:
        """Its type and id in the audit log: a user's id is unique only within the tenant."""
        return "user", f"{self.tenant_id}/{self.id}"


@dataclass(frozen=True, slots=True)
class NewUser:
    """The fields of a user that operators set."""

    id: str
    email: str = ""
    tokens_per_minute: int | None = None
    requests_per_minute: int | None = None


class Users(Protocol):
    """Each change is atomic with its audit entry and its outbox rows; the changes of one tenant are made in order.

    Raises what store.postgres.UNAVAILABLE lists; a change may then have been made, or not.
    """

    async def put(self, tenant_id: str, new: NewUser, by: ChangeRequest) -> User:
        """Creates or replaces the user.  NoSuchTenant, StateChanged.  A change that changes nothing leaves no trace."""

    async def get(self, tenant_id: str, user_id: str) -> User | None:
        """None if there is none."""

    async def page(self, tenant_id: str, limit: int, after: str = "") -> tuple[User, ...]:
        """At most `limit` users of a tenant, ordered by id, after the given one; none if there is no such tenant."""

    async def delete(self, tenant_id: str, user_id: str, by: ChangeRequest, *, cascade: bool = False) -> Deleted:
        """With the user's keys if `cascade`.  NoSuchTenant, NoSuchUser, UserHasKeys, StateChanged."""

"""Admin tokens: who may use the control plane beside the owner whose token is configured.  The value and the port.

A token is shown once; only its SHA-256 is kept.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypedDict

from admin.access.permission import Role
from tenancy.directory.change_request import ChangeRequest, Deleted

TOKEN_PREFIX = "tka_"
TOKEN_BYTES = 24  # 192 bits: beyond guessing, so a plain SHA-256 is enough
SHOWN_CHARACTERS = 12
MAX_ADMIN_TOKENS = 500  # each request is compared with every one of them
CONFIGURED = "admin"  # the name of the owner whose token is configured


class NoSuchAdminToken(LookupError):
    """No admin token has this id."""


class AdminTokenNameTaken(ValueError):
    """Another admin token has this name."""


class TooManyAdminTokens(ValueError):
    """There are MAX_ADMIN_TOKENS already."""


@dataclass(frozen=True, slots=True)
class AdminToken:
    """What may be shown of a token.  Its name stands for its user in the audit log."""

    id: str
    name: str
    role: str
    token_prefix: str
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewAdminToken:
    """A token to be made, with the token itself: shown to the one who asked, then forgotten."""

    name: str
    role: Role
    expires_at: datetime | None = None
    token: str = field(default_factory=lambda: TOKEN_PREFIX + secrets.token_hex(TOKEN_BYTES), repr=False)


class AdminTokenChange(TypedDict, total=False):
    """The fields to change; what is absent stays."""

    name: str
    role: Role
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Known:
    """What a presented token is compared with."""

    digest: bytes
    name: str
    role: Role
    expires_at: datetime | None


class AdminTokens(Protocol):
    """Each change is atomic with its audit entry.  Raises what store.postgres.UNAVAILABLE lists."""

    async def create(self, new: NewAdminToken, by: ChangeRequest) -> AdminToken:
        """AdminTokenNameTaken, TooManyAdminTokens."""

    async def get(self, token_id: str) -> AdminToken | None:
        """None if there is none."""

    async def page(self, limit: int, after: str = "") -> tuple[AdminToken, ...]:
        """At most `limit` tokens by name, after the given one."""

    async def known(self) -> tuple[Known, ...]:
        """All, as presented tokens are compared with them."""

    async def update(self, token_id: str, change: AdminTokenChange, by: ChangeRequest) -> AdminToken:
        """NoSuchAdminToken, AdminTokenNameTaken, StateChanged.  A change that changes nothing leaves no trace."""

    async def delete(self, token_id: str, by: ChangeRequest) -> Deleted:
        """NoSuchAdminToken, StateChanged."""


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()

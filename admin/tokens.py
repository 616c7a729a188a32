"""Admin tokens: who may use the management API beside the owner whose token is configured.  Values and port.

A token is shown once; its SHA-256 is kept.  No HTTP here; the routes are in admin_tokens.py.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypedDict

from tenancy.directory.change_request import ChangeRequest, Deleted

ADMIN_TOKEN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
TOKEN_PREFIX = "tka_"
TOKEN_BYTES = 24  # 192 bits: beyond guessing, so a plain SHA-256 is enough
SHOWN_CHARACTERS = 12
MAX_TOKENS = 500  # each request looks at every one of them
CONFIGURED = "admin"  # the name of the owner whose token is configured


class NoSuchAdminToken(LookupError):
    """No admin token has this id."""


class AdminTokenNameTaken(ValueError):
    """Another admin token has this name."""


class TooManyAdminTokens(ValueError):
    """There are MAX_TOKENS."""


class Role(StrEnum):
    """Viewers read; operators change everything but admin tokens; owners those too."""

    OWNER = "owner"
    OPERATOR = "operator"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class AdminToken:
    """What may be shown of a token.  Its name is what the audit log calls whoever uses it."""

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
    """A token as requests are compared with it."""

    digest: bytes
    name: str
    role: Role
    expires_at: datetime | None


class AdminTokens(Protocol):
    """Each change is atomic with its audit entry.  Raises what store.postgres.UNAVAILABLE lists."""

    async def create(self, new: NewAdminToken, by: ChangeRequest) -> AdminToken:
        """AdminTokenNameTaken, TooManyAdminTokens."""

    async def list(self) -> tuple[AdminToken, ...]:
        """All, by name."""

    async def known(self) -> tuple[Known, ...]:
        """All, for comparison."""

    async def update(self, token_id: str, change: AdminTokenChange, by: ChangeRequest) -> AdminToken:
        """NoSuchAdminToken, AdminTokenNameTaken, StateChanged.  A change that changes nothing leaves no trace."""

    async def delete(self, token_id: str, by: ChangeRequest) -> Deleted:
        """NoSuchAdminToken, StateChanged."""


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()

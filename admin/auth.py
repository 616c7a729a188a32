"""Who may use the management API: a bearer token becomes a principal, or nothing.  No HTTP here; see gate.py."""

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from cachetools import TTLCache

from admin.tokens import CONFIGURED, AdminTokens, Known, Role, digest_of

SCHEME = "bearer"
# Wrong tokens from one address within the window before it is not listened to any more: few enough that a badly chosen
# token is not guessed, enough that one misconfigured client does not shut out the others behind its address.
FAILURES_ALLOWED = 100
FAILURES_WINDOW_SECONDS = 60
ADDRESSES_REMEMBERED = 10_000
# How long a token that another process revoked may still be taken; this process forgets at once.
KNOWN_SECONDS = 5.0

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class NoAdminToken(ValueError):
    """Nothing is configured that could let anybody in: the API must not start."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who may use the API.  `name` goes into the audit log."""

    name: str
    role: Role

    def may(self, method: str, path: str, owners_only: str) -> bool:
        """Whether the role allows it; everything below the path `owners_only` is for owners."""
        if self.role is Role.OWNER:
            return True
        if path == owners_only or path.startswith(f"{owners_only}/"):
            return False
        return self.role is Role.OPERATOR or method in READING


class Principals:
    """The principals by the SHA-256 of their tokens: the tokens themselves are not kept."""

    def __init__(
        self, admin_token: str, tokens: AdminTokens | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not admin_token.strip():
            raise NoAdminToken("no admin token is configured: set TOLLKEEPER_ADMIN_TOKEN")
        self._configured = digest_of(admin_token)
        self._tokens, self._clock = tokens, clock
        self._known: tuple[Known, ...] = ()
        self._fresh_until = float("-inf")
        self._changes = 0

    async def find(self, authorization: str | None) -> Principal | None:
        """Whose `Authorization` header this is; what AdminTokens raises when that cannot be known.

        Looks at every principal, each in constant time.  The configured token needs no database.
        """
        token = bearer_token(authorization)
        if token is None:
            return None
        digest = digest_of(token)
        if hmac.compare_digest(self._configured, digest):
            return Principal(CONFIGURED, Role.OWNER)
        found = None
        for known in await self._load():
            if hmac.compare_digest(known.digest, digest):
                found = known
        if found is None or (found.expires_at is not None and found.expires_at <= datetime.now(UTC)):
            return None
        return Principal(found.name, found.role)

    def forget(self) -> None:
        """The tokens have changed."""
        self._changes += 1
        self._fresh_until = float("-inf")

    async def _load(self) -> tuple[Known, ...]:
        if self._tokens is not None and self._clock() >= self._fresh_until:
            began, changes = self._clock(), self._changes
            known = await self._tokens.known()
            if changes != self._changes:  # during the load: good for this request only
                return known
            self._known, self._fresh_until = known, began + KNOWN_SECONDS
        return self._known


def bearer_token(authorization: str | None) -> str | None:
    """The token in `Bearer <token>`, whatever the scheme's case; None for anything else."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == SCHEME and token else None


class FailedAttempts:
    """Counts wrong tokens by address; bounded in addresses and in time."""

    def __init__(self, allowed: int = FAILURES_ALLOWED, window_seconds: float = FAILURES_WINDOW_SECONDS) -> None:
        self._allowed = allowed
        self._failures: TTLCache[str, int] = TTLCache(ADDRESSES_REMEMBERED, window_seconds)

    def too_many(self, address: str) -> bool:
        return self._failures.get(address, 0) >= self._allowed

    def add(self, address: str) -> None:
        self._failures[address] = self._failures.get(address, 0) + 1

"""Turns a token into a principal, or nothing: an admin token, or the token of somebody who is signed in.

How tokens are presented is decided in the gate.
"""

import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime

from admin.access.browser_sessions import BrowserSession, proof_of
from admin.access.permission import Principal, Role
from admin.access.sessions import SignedIn
from admin.access.signing import is_signed
from admin.access.tokens import CONFIGURED, AdminTokens, Known, digest_of

# How long a token that another process revoked may still be taken; this process forgets at once.
KNOWN_SECONDS = 5.0
SEAL_CHARACTERS = 32


class NoAdminToken(ValueError):
    """Nothing is configured that could let anybody in: the control plane must not start."""


class Principals:
    """Finds principals by the SHA-256 of their tokens; the tokens themselves are not kept."""

    def __init__(
        self,
        admin_token: str,
        tokens: AdminTokens | None = None,
        clock: Callable[[], float] = time.monotonic,
        signed_in: SignedIn | None = None,
    ) -> None:
        if not admin_token.strip():
            raise NoAdminToken("no admin token is configured: set TOLLKEEPER_ADMIN_TOKEN")
        self._configured = digest_of(admin_token)
        self._tokens, self._clock, self._signed_in = tokens, clock, signed_in
        self._known: tuple[Known, ...] = ()
        self._fresh_until = float("-inf")
        self._changes = 0

    async def find(self, token: str) -> Principal | None:
        """Whose token this is; what AdminTokens raises when that cannot be known.

        Compares with every known token, each in constant time.  The configured token needs no database.
        """
        if self._signed_in is not None and is_signed(token):
            return await self._signed_in.principal(token)
        digest = digest_of(token)
        return await self._whose(lambda known: hmac.compare_digest(known, digest))

    async def behind(self, token: str, session: BrowserSession) -> Principal | None:
        """The principal of a session, by its token; None once the credential that it began with is no longer valid."""
        if session.account_session:
            return None if self._signed_in is None else await self._signed_in.of_session(session.account_session)
        return await self._whose(lambda known: hmac.compare_digest(proof_of(token, known), session.proof))

    async def _whose(self, is_of: Callable[[bytes], bool]) -> Principal | None:
        if is_of(self._configured):
            return Principal(CONFIGURED, Role.OWNER)
        found = None
        for known in await self._load():
            if is_of(known.digest):
                found = known
        if found is None or (found.expires_at is not None and found.expires_at <= datetime.now(UTC)):
            return None
        return Principal(found.name, found.role)

    def seal(self, text: str) -> str:
        """An authenticator of a text, the same in every process with this configured token."""
        return hmac.digest(self._configured, text.encode("utf-8", "surrogateescape"), "sha256").hex()[:SEAL_CHARACTERS]

    def forget(self) -> None:
        """The tokens, or the sessions, have changed."""
        if self._signed_in is not None:
            self._signed_in.forget()
        self._changes += 1
        self._fresh_until = float("-inf")

    async def _load(self) -> tuple[Known, ...]:
        if self._tokens is not None and self._clock() >= self._fresh_until:
            began, changes = self._clock(), self._changes
            known = await self._tokens.known()
            if changes != self._changes:  # they changed during the load, so it is good for this request only
                return known
            self._known, self._fresh_until = known, began + KNOWN_SECONDS
        return self._known

"""Sessions of accounts: who is signed in, and how long a token counts.  The port, and finding the principal of a token.

A token says which session it is of; what its holder may do now is looked up, so that a new role, a lock or a sign-out
holds at once in this process, and within KNOWN_SECONDS in others.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cachetools import TTLCache

from admin.access.accounts import Account
from admin.access.permission import Principal
from admin.access.signing import Signing

KNOWN_SECONDS = 5.0
SESSIONS_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Stored:
    """An account with its password's hash.  `from_here`: it has signed in from this address before."""

    account: Account
    password_hash: str
    from_here: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """A session and its account; `refresh_token` opens its next piece, once."""

    session_id: str
    account: Account
    refresh_token: str


class Sessions(Protocol):
    """Raises what store.postgres.UNAVAILABLE lists."""

    async def stored(self, email: str, source: str) -> Stored | None:
        """By the address in lower case; None if nobody has it."""

    async def rehash(self, account_id: str, before: str, after: str) -> None:
        """Replaces the hash of the same password, unless it has been changed meanwhile."""

    async def open(self, account: Account, source: str) -> Opened:
        """A new session."""

    async def account_of(self, session_id: str) -> Account | None:
        """The account of a session; None if the session has ended or the account is disabled."""

    async def renew(self, refresh_token: str) -> Opened | None:
        """The session with a new refresh token.  None if the token is of no session; one that was used before ends its
        session."""

    async def end(self, session_id: str) -> None:
        """Ends the session, unless it has ended already."""


class SignedIn:
    """Finds the principals of signed tokens."""

    def __init__(self, signing: Signing, sessions: Sessions, clock: Callable[[], float] = time.monotonic) -> None:
        self._signing, self._sessions = signing, sessions
        self._known: TTLCache[str, Account] = TTLCache(SESSIONS_KNOWN, KNOWN_SECONDS, clock)
        self._changes = 0

    async def account_of(self, token: str) -> tuple[str, Account] | None:
        """The session of a token, and whose it is; None if it does not count, or not any more."""
        session_id = self._signing.session_of(token)
        account = None if session_id is None else await self._find(session_id)
        return None if session_id is None or account is None else (session_id, account)

    async def principal(self, token: str) -> Principal | None:
        found = await self.account_of(token)
        return None if found is None else found[1].principal

    async def of_session(self, session_id: str) -> Principal | None:
        """Whose session this is; None if it has ended.  The id of a session opens nothing: it is what tokens name."""
        account = await self._find(session_id)
        return None if account is None else account.principal

    async def _find(self, session_id: str) -> Account | None:
        known = self._known.get(session_id)
        if known is None:
            changes = self._changes
            known = await self._sessions.account_of(session_id)
            if known is not None and changes == self._changes:  # else it is good for this request only
                self._known[session_id] = known
        return known

    def forget(self) -> None:
        """Sessions or accounts have changed."""
        self._changes += 1
        self._known.clear()

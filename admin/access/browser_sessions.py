"""Who is signed in with a browser: the value and the port.  A session's token is in a cookie; only its SHA-256 is kept.

A session ends with the credential that it began with.  It keeps a proof that its owner had the credential: an HMAC of
the credential's digest under the session's token, which is compared with the credentials of now at each request.
Without the token, which is not kept, nothing can be guessed from it.  Of an account it keeps the session that the
password opened (admin/access/sessions.py).
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

LIFETIME = timedelta(hours=12)
MAX_SESSIONS = 10_000  # of everybody; the oldest end
MAX_OF_ACCOUNT = 100
TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """`account`: whose it is, by whom they are bounded.  `proof` as in `proof_of`; empty if there is an
    `account_session`."""

    account: str
    proof: bytes
    account_session: str = ""


@dataclass(frozen=True, slots=True)
class NewBrowserSession:
    """A session to be begun, with its token: for the cookie, then forgotten.  `credential`: the digest of the admin
    token that its owner signed in with, or empty, and an `account_session`."""

    account: str
    credential: bytes = field(default=b"", repr=False)
    account_session: str = ""
    token: str = field(default_factory=lambda: secrets.token_hex(TOKEN_BYTES), repr=False)
    expires_at: datetime = field(default_factory=lambda: datetime.now(UTC) + LIFETIME)


class BrowserSessions(Protocol):
    """Raises what store.postgres.UNAVAILABLE lists."""

    async def begin(self, new: NewBrowserSession) -> None:
        """Ends the account's oldest session, or the oldest of all, if there are as many as allowed."""

    async def find(self, token: str) -> BrowserSession | None:
        """None if it has ended, or never was."""

    async def end(self, token: str) -> None:
        """Ends the session, if there is one."""


def proof_of(token: str, credential: bytes) -> bytes:
    return hmac.digest(token.encode(), b"credential " + credential, hashlib.sha256)


def form_token_of(token: str) -> str:
    """The token in every form of a session, so that no other site can make its owner send one."""
    return hmac.digest(token.encode(), b"form", hashlib.sha256).hex()

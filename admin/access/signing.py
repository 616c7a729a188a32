"""Signed tokens (JWT) that say which session they are of, and the keys that sign them.

The keys are never stored: each is derived from a secret of the configuration and the number of its day, so that they
rotate by themselves and every process has the same.  A token names its day; only the days that a token can still be of
are tried, and no algorithm but ours.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterator, Sequence

import jwt
from jwt.types import Options

ALGORITHM = "HS256"
ISSUER, AUDIENCE = "tollkeeper", "tollkeeper-admin"
ROTATION_SECONDS = 86_400
TOKEN_SECONDS = 3600
SKEW_SECONDS = 60  # between the clocks of two processes
MAX_TOKEN_CHARACTERS = 2048
CLAIMS = ["iss", "aud", "sub", "sid", "iat", "exp"]


def is_signed(token: str) -> bool:
    """Whether it looks like a signed token; this proves nothing."""
    return token.startswith("eyJ") and token.count(".") == 2 and len(token) <= MAX_TOKEN_CHARACTERS


class Signing:
    """The first of the secrets signs; all of them are believed, so that one can be replaced without signing people out.
    Without a secret nothing is signed and nothing believed."""

    def __init__(self, secrets: Sequence[str], clock: Callable[[], float] = time.time) -> None:
        self._secrets, self._clock = tuple(secrets), clock

    @property
    def possible(self) -> bool:
        return bool(self._secrets)

    def sign(self, session_id: str, account_id: str) -> str:
        now = int(self._clock())
        claims: dict[str, object] = {"iss": ISSUER, "aud": AUDIENCE, "sub": account_id, "sid": session_id}
        claims |= {"iat": now, "exp": now + TOKEN_SECONDS, "jti": secrets.token_hex(8)}
        day = now // ROTATION_SECONDS
        return jwt.encode(claims, _key(self._secrets[0], day), ALGORITHM, headers={"kid": str(day)})

    def session_of(self, token: str) -> str | None:
        """The session that a token is of; None if we did not sign it, or it has expired."""
        if not is_signed(token):
            return None
        try:
            named = jwt.get_unverified_header(token).get("kid")
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        for key in self._keys(named):
            if (found := self._read(token, key)) is not None:
                return found
        return None

    def _keys(self, named: object) -> Iterator[bytes]:
        now = int(self._clock())
        first, last = now - TOKEN_SECONDS - SKEW_SECONDS, now + SKEW_SECONDS
        days = {str(day): day for day in range(first // ROTATION_SECONDS, last // ROTATION_SECONDS + 1)}
        if isinstance(named, str) and named in days:
            for secret in self._secrets:
                yield _key(secret, days[named])

    def _read(self, token: str, key: bytes) -> str | None:
        options: Options = {"require": CLAIMS, "verify_exp": False, "verify_iat": False}  # by our clock, below
        try:
            claims = jwt.decode(token, key, [ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options=options)
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        session_id, expires = claims["sid"], claims["exp"]
        alive = isinstance(expires, int) and self._clock() < expires
        return session_id if alive and isinstance(session_id, str) else None


def _key(secret: str, day: int) -> bytes:
    return hmac.digest(secret.encode(), f"tollkeeper sessions {day}".encode(), hashlib.sha256)

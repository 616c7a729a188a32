"""Sessions of accounts in Postgres.  Of a refresh token only its SHA-256 is kept."""

# ruff: noqa: S608 - statements are put together from this file's own constants only

import hashlib
import secrets

from admin.access.accounts import Account
from admin.access.sessions import Opened, Stored
from admin.postgres.accounts import COLUMNS, account_of
from store.postgres import PostgresPool, reading

SESSION_DAYS = 30  # however often it is renewed
MOST_SESSIONS = 50  # of an account; the oldest ends
OF_ACCOUNT = ", ".join(f"a.{name}" for name in COLUMNS.split(", "))
STORED = f"""
SELECT {OF_ACCOUNT}, a.password_hash,
       EXISTS (SELECT 1 FROM account_sessions s WHERE s.account_id = a.id AND s.source = $2) AS from_here
FROM accounts a WHERE a.email = $1
"""
REHASH = "UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2"
OPEN = f"""
INSERT INTO account_sessions (id, account_id, refresh_hash, source, expires_at)
SELECT $1, id, $3, $4, now() + interval '{SESSION_DAYS} days' FROM accounts WHERE id = $2
"""
# Also those that have ended: that is how long an address stays known.
FORGET = f"""
DELETE FROM account_sessions WHERE account_id = $1 AND (expires_at < now() - interval '{SESSION_DAYS} days' OR id IN (
    SELECT id FROM account_sessions WHERE account_id = $1 ORDER BY created_at DESC, id OFFSET {MOST_SESSIONS}))
"""
ACCOUNT_OF = f"""
SELECT {OF_ACCOUNT} FROM account_sessions s JOIN accounts a ON a.id = s.account_id
WHERE s.id = $1 AND s.expires_at > now() AND NOT a.disabled
"""
RENEW = f"""
UPDATE account_sessions s SET refresh_hash = $2, spent_hash = s.refresh_hash FROM accounts a
WHERE s.refresh_hash = $1 AND s.expires_at > now() AND a.id = s.account_id AND NOT a.disabled
RETURNING s.id AS session_id, {OF_ACCOUNT}
"""
END_SPENT = "UPDATE account_sessions SET expires_at = now() WHERE spent_hash = $1 AND expires_at > now()"
END = "UPDATE account_sessions SET expires_at = now() WHERE id = $1 AND expires_at > now()"


class PostgresSessions:
    """Implements admin.access.sessions.Sessions."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def stored(self, email: str, source: str) -> Stored | None:
        async with reading(self._pool) as connection:
            row = await connection.fetchrow(STORED, email, source)
        return None if row is None else Stored(account_of(row), row["password_hash"], row["from_here"])

    async def rehash(self, account_id: str, before: str, after: str) -> None:
        async with reading(self._pool) as connection:
            await connection.execute(REHASH, account_id, before, after)

    async def open(self, account: Account, source: str) -> Opened:
        session_id, token = f"ses_{secrets.token_hex(16)}", _mint()
        async with reading(self._pool) as connection, connection.transaction():
            await connection.execute(OPEN, session_id, account.id, _hash(token), source)
            await connection.execute(FORGET, account.id)
        return Opened(session_id, account, token)

    async def account_of(self, session_id: str) -> Account | None:
        async with reading(self._pool) as connection:
            row = await connection.fetchrow(ACCOUNT_OF, session_id)
        return None if row is None else account_of(row)

    async def renew(self, refresh_token: str) -> Opened | None:
        given, token = _hash(refresh_token), _mint()
        async with reading(self._pool) as connection, connection.transaction():
            row = await connection.fetchrow(RENEW, given, _hash(token))
            if row is None:
                await connection.execute(END_SPENT, given)
        return None if row is None else Opened(row["session_id"], account_of(row), token)

    async def end(self, session_id: str) -> None:
        async with reading(self._pool) as connection:
            await connection.execute(END, session_id)


def _mint() -> str:
    return f"tkr_{secrets.token_hex(24)}"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()

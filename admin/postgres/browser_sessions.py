"""Browser sessions in Postgres, so that every `tollkeeper admin` knows who is signed in and who is no longer."""

from admin.access.browser_sessions import MAX_OF_ACCOUNT, MAX_SESSIONS, BrowserSession, NewBrowserSession, proof_of
from admin.access.tokens import digest_of
from store.postgres import PostgresPool, reading

INSERT = (
    "INSERT INTO browser_sessions (token_hash, account, proof, account_session, expires_at) VALUES ($1, $2, $3, $4, $5)"
)
FIND = "SELECT account, proof, account_session FROM browser_sessions WHERE token_hash = $1 AND expires_at > now()"
END = "DELETE FROM browser_sessions WHERE token_hash = $1"
FORGET = "DELETE FROM browser_sessions WHERE expires_at <= now()"
KEEP_OF_ACCOUNT = """
DELETE FROM browser_sessions WHERE token_hash IN (
    SELECT token_hash FROM browser_sessions WHERE account = $1 ORDER BY created_at DESC, token_hash OFFSET $2)
"""
KEEP = """
DELETE FROM browser_sessions WHERE token_hash IN (
    SELECT token_hash FROM browser_sessions ORDER BY expires_at DESC, token_hash OFFSET $1)
"""


class PostgresBrowserSessions:
    """Implements admin.access.browser_sessions.BrowserSessions."""

    def __init__(
        self, pool: PostgresPool, max_sessions: int = MAX_SESSIONS, max_of_account: int = MAX_OF_ACCOUNT
    ) -> None:
        self._pool, self._max_sessions, self._max_of_account = pool, max_sessions, max_of_account

    async def begin(self, new: NewBrowserSession) -> None:
        proof = proof_of(new.token, new.credential).hex() if new.credential else ""
        values = (new.account, proof, new.account_session, new.expires_at)
        async with reading(self._pool) as connection, connection.transaction():
            await connection.execute(FORGET)
            await connection.execute(INSERT, digest_of(new.token).hex(), *values)
            await connection.execute(KEEP_OF_ACCOUNT, new.account, self._max_of_account)
            await connection.execute(KEEP, self._max_sessions)

    async def find(self, token: str) -> BrowserSession | None:
        async with reading(self._pool) as connection:
            row = await connection.fetchrow(FIND, digest_of(token).hex())
        if row is None:
            return None
        return BrowserSession(row["account"], bytes.fromhex(row["proof"]), row["account_session"])

    async def end(self, token: str) -> None:
        async with reading(self._pool) as connection:
            await connection.execute(END, digest_of(token).hex())

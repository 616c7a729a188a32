-- Who is signed in to the console.  The token is in a cookie, here is its SHA-256; `proof` is an HMAC under the token of the
-- credential that it began with, so that nothing here can be guessed from.
CREATE TABLE browser_sessions (
    token_hash text PRIMARY KEY,
    account    text NOT NULL,
    proof      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX browser_sessions_by_account ON browser_sessions (account, created_at);
CREATE INDEX browser_sessions_by_end ON browser_sessions (expires_at);

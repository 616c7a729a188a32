-- A session of the console that somebody of an organization began lasts as long as that of the account behind it.
ALTER TABLE browser_sessions ADD COLUMN account_session text NOT NULL DEFAULT '';

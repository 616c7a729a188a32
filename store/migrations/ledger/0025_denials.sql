-- Requests refused before their budgets were asked (no valid key, too large, a part of ours away), to explain them by
-- their x-request-id.  The newest only: each writer trims.
CREATE TABLE denials (
    n          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ts         timestamptz NOT NULL,
    request_id text NOT NULL,
    reason     text NOT NULL,
    status     integer NOT NULL,
    key_prefix text NOT NULL,
    tenant_id  text NOT NULL,
    key_id     text NOT NULL,
    method     text NOT NULL,
    path       text NOT NULL
);
CREATE INDEX denials_by_request_id ON denials (request_id);

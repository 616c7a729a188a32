-- By the label that clients know a request by.  By itself, so that no other table is locked while it is built.
CREATE INDEX IF NOT EXISTS usage_request_id ON usage (request_id) WHERE request_id <> '';

-- Where the requests for an MCP server go, and who may make them: `endpoints` beside its url as for models, `grants`:
-- `[{"tenant", "key", "tools"}]`.  A credential is the name of a secret that sidecars have, never the secret.
ALTER TABLE mcp_servers
    ADD COLUMN endpoints         jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(endpoints) = 'array'),
    ADD COLUMN grants            jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(grants) = 'array'),
    ADD COLUMN credential        text,
    ADD COLUMN credential_header text NOT NULL DEFAULT 'authorization',
    ADD COLUMN timeout_seconds   integer CHECK (timeout_seconds > 0),
    ADD COLUMN ca_file           text,
    ADD COLUMN max_in_flight     integer CHECK (max_in_flight > 0),
    ADD COLUMN tools_in_flight   jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(tools_in_flight) = 'object');

-- Of a request to an MCP server: what was called, '' of others.
ALTER TABLE usage
    ADD COLUMN rpc_method text NOT NULL DEFAULT '',
    ADD COLUMN tool       text NOT NULL DEFAULT '';

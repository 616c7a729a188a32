-- The management API's resources: what tenants, keys and models gain, MCP servers, named policies, admin tokens,
-- retired secrets (rotation), and what makes a create repeatable (Idempotency-Key).

-- Sets of limits that tenants refer to by name.
CREATE TABLE policies (
    name        text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
    description text NOT NULL DEFAULT '',
    limits      jsonb NOT NULL DEFAULT '[]',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE tenants
    ADD COLUMN status   text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    ADD COLUMN policy   text REFERENCES policies (name),
    ADD COLUMN metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object');
CREATE INDEX tenants_by_policy ON tenants (policy) WHERE policy IS NOT NULL;
CREATE INDEX tenants_by_group ON tenants (fairshare_group);

-- Written at most once a minute a key, by sidecars: not indexed, so that the write stays within its page.
ALTER TABLE api_keys ADD COLUMN last_used_at timestamptz;
CREATE INDEX api_keys_by_prefix ON api_keys (key_prefix COLLATE "C");

-- Secrets that a rotation replaced and that still work until they expire.
CREATE TABLE retired_secrets (
    key_hash   text PRIMARY KEY CHECK (key_hash ~ '^[0-9a-f]{64}$'),
    key_id     text NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    key_prefix text NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX retired_secrets_by_key ON retired_secrets (key_id);
CREATE INDEX retired_secrets_by_prefix ON retired_secrets (key_prefix COLLATE "C");

-- Every secret that a key answers to: its own, and those that a rotation retired.  `retired_at`: when it ends.
CREATE VIEW key_secrets AS
    SELECT key_hash, key_prefix, id AS key_id, tenant_id, user_id, NULL::timestamptz AS retired_at FROM api_keys
    UNION ALL
    SELECT r.key_hash, r.key_prefix, r.key_id, k.tenant_id, k.user_id, r.expires_at
    FROM retired_secrets r JOIN api_keys k ON k.id = r.key_id;

-- Prices are for a million tokens; null is free.  `upstream_name` null: the same as the name.
ALTER TABLE models
    ADD COLUMN upstream_name     text,
    ADD COLUMN endpoint          text,
    ADD COLUMN input_price       numeric(20, 8) CHECK (input_price >= 0),
    ADD COLUMN output_price      numeric(20, 8) CHECK (output_price >= 0),
    ADD COLUMN cached_price      numeric(20, 8) CHECK (cached_price >= 0),
    ADD COLUMN context_window    bigint CHECK (context_window > 0),
    ADD COLUMN weight            integer NOT NULL DEFAULT 100 CHECK (weight > 0),
    ADD COLUMN max_in_flight     integer CHECK (max_in_flight > 0),
    ADD COLUMN cache_enabled     boolean NOT NULL DEFAULT false,
    ADD COLUMN cache_ttl_seconds integer NOT NULL DEFAULT 300 CHECK (cache_ttl_seconds > 0);

CREATE TABLE mcp_servers (
    id          text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    name        text NOT NULL UNIQUE,
    url         text NOT NULL,
    description text NOT NULL DEFAULT '',
    headers     jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(headers) = 'object'),
    enabled     boolean NOT NULL DEFAULT true,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

-- Who may use the management API beside the owner whose token is configured.
CREATE TABLE admin_tokens (
    id           text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    name         text NOT NULL UNIQUE,
    role         text NOT NULL CHECK (role IN ('owner', 'operator', 'viewer')),
    token_hash   text NOT NULL UNIQUE CHECK (token_hash ~ '^[0-9a-f]{64}$'),
    token_prefix text NOT NULL,
    expires_at   timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);

-- What was created under an Idempotency-Key, for 24 hours.  `response` is the public value: it never holds a secret.
CREATE TABLE idempotency_keys (
    actor           text NOT NULL,
    idempotency_key text NOT NULL,
    fingerprint     text NOT NULL,
    target_type     text,
    target_id       text,
    response        jsonb,
    ts              timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, idempotency_key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (ts);

CREATE INDEX audit_log_by_target ON audit_log (target_type, target_id, id);
CREATE INDEX audit_log_by_actor ON audit_log (actor, id);
CREATE INDEX audit_log_by_age ON audit_log (ts);

-- Tenants, users, groups, keys, models; the audit log; the outbox of changes that Redis has not been told yet.

CREATE TABLE fairshare_groups (
    name       text PRIMARY KEY,
    weight     integer NOT NULL DEFAULT 100 CHECK (weight > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO fairshare_groups (name) VALUES ('default');

CREATE TABLE tenants (
    id                  text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
    name                text NOT NULL UNIQUE,
    fairshare_group     text NOT NULL DEFAULT 'default' REFERENCES fairshare_groups (name),
    weight              integer NOT NULL DEFAULT 100 CHECK (weight > 0),
    tokens_per_minute   bigint CHECK (tokens_per_minute > 0),
    requests_per_minute bigint CHECK (requests_per_minute > 0),
    max_in_flight       integer CHECK (max_in_flight > 0),
    -- Counts every change of the tenant, its users and its keys; taken under the row's lock, so it orders them.
    version             bigint NOT NULL DEFAULT 1,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tenants_by_age ON tenants (created_at, id);

CREATE TABLE users (
    tenant_id           text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id                  text NOT NULL CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}$'),
    email               text NOT NULL DEFAULT '',
    tokens_per_minute   bigint CHECK (tokens_per_minute > 0),
    requests_per_minute bigint CHECK (requests_per_minute > 0),
    created_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE api_keys (
    id                  text PRIMARY KEY,
    tenant_id           text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id             text,
    name                text NOT NULL,
    key_hash            text NOT NULL UNIQUE CHECK (key_hash ~ '^[0-9a-f]{64}$'),
    key_prefix          text NOT NULL,
    disabled            boolean NOT NULL DEFAULT false,
    models_allowed      text[],
    tokens_per_minute   bigint CHECK (tokens_per_minute > 0),
    requests_per_minute bigint CHECK (requests_per_minute > 0),
    expires_at          timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX api_keys_by_age ON api_keys (created_at, id);
CREATE INDEX api_keys_by_tenant_and_age ON api_keys (tenant_id, created_at, id);

-- The id is for paths: names hold slashes.
CREATE TABLE models (
    id         text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    name       text NOT NULL UNIQUE,
    enabled    boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- One row; counts every change of the models, which its lock puts in order.
CREATE TABLE model_catalog (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version  bigint NOT NULL DEFAULT 1
);
INSERT INTO model_catalog DEFAULT VALUES;

CREATE TABLE audit_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ts          timestamptz NOT NULL DEFAULT now(),
    actor       text NOT NULL,
    action      text NOT NULL,
    target_type text NOT NULL,
    target_id   text NOT NULL,
    before      jsonb,
    after       jsonb,
    source      text NOT NULL DEFAULT '',
    request_id  text NOT NULL DEFAULT ''
);

-- What Redis must still be told: written in the transaction of the change, deleted when Redis has it.  A row that stays
-- (Redis away, process killed) is applied by whichever sidecar or admin process sees it next.
CREATE TABLE redis_outbox (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key_hash text NOT NULL,  -- '*': everything; 'models': the model catalog
    version  bigint NOT NULL,
    ts       timestamptz NOT NULL DEFAULT now()
);

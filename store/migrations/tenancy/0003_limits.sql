-- Limits beside the shorthand columns (tokens_per_minute, requests_per_minute): any scope, unit, window and kind.

CREATE TABLE limits (
    id               text PRIMARY KEY CHECK (id ~ '^lim_[0-9a-f]{16}$'),
    name             text NOT NULL,
    scope            text NOT NULL CHECK (scope IN ('tenant', 'user', 'key', 'model', 'group')),
    -- Whose requests: the tenant with perhaps one of its keys, users or models; or a fairshare group.  A limit of scope
    -- key or user without its id holds for each of the tenant's keys or users.
    tenant_id        text REFERENCES tenants (id) ON DELETE CASCADE,
    key_id           text REFERENCES api_keys (id) ON DELETE CASCADE,
    user_id          text,
    model            text,
    fairshare_group  text REFERENCES fairshare_groups (name) ON DELETE CASCADE,
    subject          text NOT NULL GENERATED ALWAYS AS (coalesce(key_id, user_id, model, fairshare_group, '')) STORED,
    unit             text NOT NULL CHECK (unit IN ('tokens', 'input_tokens', 'output_tokens', 'requests', 'cost')),
    amount           bigint NOT NULL CHECK (amount > 0),  -- of cost: millionths of the currency
    kind             text NOT NULL DEFAULT 'bucket' CHECK (kind IN ('bucket', 'fixed_window', 'sliding_window')),
    window_seconds   bigint NOT NULL CHECK (window_seconds > 0),
    calendar         text CHECK (calendar IN ('minute', 'hour', 'day', 'week', 'month')),
    time_zone        text NOT NULL DEFAULT 'UTC',
    -- Percent: how much a cached input token, or a reasoning output token, counts.
    cached_weight    integer NOT NULL DEFAULT 100 CHECK (cached_weight BETWEEN 0 AND 1000),
    reasoning_weight integer NOT NULL DEFAULT 100 CHECK (reasoning_weight BETWEEN 0 AND 1000),
    shadow           boolean NOT NULL DEFAULT false,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CHECK ((scope = 'group') = (fairshare_group IS NOT NULL) AND (scope = 'group') = (tenant_id IS NULL)),
    CHECK ((scope = 'model') = (model IS NOT NULL)),
    CHECK (key_id IS NULL OR scope = 'key'),
    CHECK (user_id IS NULL OR scope = 'user'),
    UNIQUE (tenant_id, name),
    UNIQUE (fairshare_group, name)
);
CREATE INDEX limits_by_key ON limits (key_id) WHERE key_id IS NOT NULL;
CREATE INDEX limits_by_user ON limits (tenant_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX limits_by_age ON limits (created_at, id);

-- Webhooks: where events are sent, which events there were, and what became of each on its way.

-- `events` and `tenants` empty: all.  `disabled_because` '': it was not, or by hand.  `dropped`: events that found its queue full.
CREATE TABLE webhooks (
    id               text PRIMARY KEY CHECK (id ~ '^wh_[0-9a-f]{16}$'),
    name             text NOT NULL,
    url              text NOT NULL,
    description      text NOT NULL DEFAULT '',
    organization     text REFERENCES organizations (id) ON DELETE CASCADE,
    events           text[] NOT NULL DEFAULT '{}',
    thresholds       integer[] NOT NULL DEFAULT '{}',
    enabled          boolean NOT NULL DEFAULT true,
    disabled_because text NOT NULL DEFAULT '',
    dropped          bigint NOT NULL DEFAULT 0,
    last_success_at  timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX webhooks_name_key ON webhooks (name, coalesce(organization, ''));
CREATE INDEX webhooks_by_organization ON webhooks (organization) WHERE organization IS NOT NULL;

-- No secret is kept: it follows from the salt and a configured secret, of which `root` is a name.  Several hold while one is replaced.
CREATE TABLE webhook_secrets (
    webhook_id text NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    salt       text NOT NULL CHECK (salt ~ '^[0-9a-f]{32}$'),
    root       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (webhook_id, salt)
);

-- `once`: an event that is noticed again has the same, and is not written a second time.
CREATE TABLE webhook_events (
    id         text PRIMARY KEY,
    kind       text NOT NULL,
    tenant_id  text NOT NULL DEFAULT '',
    data       jsonb NOT NULL,
    once       text UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_events_by_age ON webhook_events (created_at);

-- The queue.  One that is being sent has its `next_at` in the future, and is sent again if nobody says what became of it.
CREATE TABLE webhook_deliveries (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id  text NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id    text NOT NULL REFERENCES webhook_events (id) ON DELETE CASCADE,
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts    integer NOT NULL DEFAULT 0,
    first_at    timestamptz,
    next_at     timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    status      integer,
    error       text NOT NULL DEFAULT '',
    response    text NOT NULL DEFAULT '',
    UNIQUE (webhook_id, event_id)
);
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (webhook_id, next_at) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_by_event ON webhook_deliveries (event_id);

-- How much of a budget has been told, so that it is told once; `window_end` is that of a fixed window.
CREATE TABLE budget_notices (
    tenant_id  text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    budget     text NOT NULL,
    percent    integer NOT NULL,
    window_end timestamptz,
    PRIMARY KEY (tenant_id, budget)
);

-- Until when something was looked at, by its name: whoever holds the row looks at what comes next.
CREATE TABLE webhook_looks (name text PRIMARY KEY, until timestamptz NOT NULL);

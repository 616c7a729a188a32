-- The usage ledger: one row a request that ratelimit decided.  The id carries its own timestamp (UUIDv7), so that id and
-- ts identify a row the same way whichever log brought it.
CREATE TABLE usage (
    id               uuid NOT NULL,
    ts               timestamptz NOT NULL,
    request_id       text NOT NULL DEFAULT '',
    tenant_id        text NOT NULL,
    key_id           text NOT NULL DEFAULT '',
    user_id          text NOT NULL DEFAULT '',
    end_user_id      text NOT NULL DEFAULT '',
    model            text NOT NULL DEFAULT '',
    admission        text NOT NULL,
    input_tokens     bigint NOT NULL DEFAULT 0,
    output_tokens    bigint NOT NULL DEFAULT 0,
    cached_tokens    bigint NOT NULL DEFAULT 0,
    reasoning_tokens bigint NOT NULL DEFAULT 0,
    reserved_tokens  bigint NOT NULL DEFAULT 0,
    usage_source     text NOT NULL,
    status           integer NOT NULL DEFAULT 0,
    denied_by        text NOT NULL DEFAULT '',
    streamed         boolean NOT NULL DEFAULT false,
    aborted          boolean NOT NULL DEFAULT false,
    method           text NOT NULL DEFAULT '',
    path             text NOT NULL DEFAULT '',
    total_ms         bigint NOT NULL DEFAULT 0,
    ttft_ms          bigint,
    queue_ms         bigint NOT NULL DEFAULT 0,
    bytes_in         bigint NOT NULL DEFAULT 0,
    bytes_out        bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (id, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX usage_tenant_ts ON usage (tenant_id, ts);

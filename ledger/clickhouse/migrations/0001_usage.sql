-- A row once however often it is delivered: of those with one key the highest version stays.  `ts` is the time within
-- `id`, so the key is the id.  The version says what replaces() of ledger/row.py says: a final row before one that
-- repeats a reservation, of those the one with more tokens, of equals the first that came, by the server's clock.
CREATE TABLE IF NOT EXISTS usage (
    id UUID,
    ts DateTime64(3, 'UTC') CODEC (Delta, ZSTD),
    request_id String CODEC (ZSTD),
    tenant_id LowCardinality(String),
    key_id LowCardinality(String),
    user_id LowCardinality(String),
    end_user_id String CODEC (ZSTD),
    model LowCardinality(String),
    admission LowCardinality(String),
    input_tokens Int64 CODEC (ZSTD),
    output_tokens Int64 CODEC (ZSTD),
    cached_tokens Int64 CODEC (ZSTD),
    reasoning_tokens Int64 CODEC (ZSTD),
    reserved_tokens Int64 CODEC (ZSTD),
    usage_source LowCardinality(String),
    status Int64 CODEC (ZSTD),
    denied_by LowCardinality(String),
    streamed Bool CODEC (ZSTD),
    aborted Bool CODEC (ZSTD),
    method LowCardinality(String),
    path String CODEC (ZSTD),
    total_ms Int64 CODEC (ZSTD),
    ttft_ms Nullable(Int64) CODEC (ZSTD),
    queue_ms Int64 CODEC (ZSTD),
    bytes_in Int64 CODEC (ZSTD),
    bytes_out Int64 CODEC (ZSTD),
    parts Nullable(String) CODEC (ZSTD),
    service_tier LowCardinality(String),
    requests Int64 CODEC (ZSTD),
    alias LowCardinality(String),
    job String CODEC (ZSTD),
    rpc_method LowCardinality(String),
    tool LowCardinality(String),
    saved_input_tokens Int64 CODEC (ZSTD),
    saved_output_tokens Int64 CODEC (ZSTD),
    price_version Nullable(Int64) CODEC (ZSTD),
    input_cost Decimal(38, 10) CODEC (ZSTD),
    cached_cost Decimal(38, 10) CODEC (ZSTD),
    output_cost Decimal(38, 10) CODEC (ZSTD),
    saved_cost Decimal(38, 10) CODEC (ZSTD),
    cache_write_tokens Int64 MATERIALIZED
        JSONExtractInt(ifNull(parts, ''), 'cache_write_5m') + JSONExtractInt(ifNull(parts, ''), 'cache_write_1h')
        CODEC (ZSTD),
    audio_tokens Int64 MATERIALIZED
        JSONExtractInt(ifNull(parts, ''), 'audio_input') + JSONExtractInt(ifNull(parts, ''), 'audio_output')
        CODEC (ZSTD),
    image_tokens Int64 MATERIALIZED
        JSONExtractInt(ifNull(parts, ''), 'image_input') + JSONExtractInt(ifNull(parts, ''), 'image_output')
        CODEC (ZSTD),
    images Int64 MATERIALIZED JSONExtractInt(ifNull(parts, ''), 'images') CODEC (ZSTD),
    appended_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC (Delta, ZSTD),
    version UInt64 DEFAULT if(
        usage_source = 'reserved',
        least(toUInt64(input_tokens + output_tokens), 2147483647) * 4294967296 + 4294967295 - toUnixTimestamp(now()),
        18446744073709551615 - toUInt64(toUnixTimestamp64Nano(now64(9)))
    ) CODEC (ZSTD),
    INDEX request_ids request_id TYPE bloom_filter GRANULARITY 4,
    INDEX jobs job TYPE set(2) GRANULARITY 4
) ENGINE = ReplacingMergeTree(version) PARTITION BY toYYYYMM(ts) ORDER BY (ts, id);

CREATE TABLE IF NOT EXISTS denials (
    ts DateTime64(3, 'UTC'),
    request_id String,
    reason LowCardinality(String),
    status Int64,
    key_prefix String,
    tenant_id LowCardinality(String),
    key_id String,
    method LowCardinality(String),
    path String,
    INDEX request_ids request_id TYPE bloom_filter GRANULARITY 1
) ENGINE = MergeTree ORDER BY ts TTL toDateTime(ts) + INTERVAL 7 DAY;

-- When rows of a day last came, by the server's clock.
CREATE TABLE IF NOT EXISTS usage_days (
    day Date,
    touched_at SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
) ENGINE = AggregatingMergeTree ORDER BY day;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_days_touched TO usage_days AS
SELECT toDate(ts, 'UTC') AS day, max(appended_at) AS touched_at FROM usage GROUP BY day;

-- A roll: the sums of one day as they were at `rolled_at`, whole once it is listed here.
CREATE TABLE IF NOT EXISTS usage_rolls (
    day Date,
    roll UUID,
    rolled_at DateTime64(3, 'UTC')
) ENGINE = MergeTree ORDER BY (day, rolled_at);

-- Its lines, by the hour and by the day (`width` in seconds).
CREATE TABLE IF NOT EXISTS usage_sums (
    roll UUID,
    width UInt32,
    bucket DateTime('UTC'),
    tenant_id LowCardinality(String),
    key_id LowCardinality(String),
    user_id LowCardinality(String),
    model LowCardinality(String),
    requests Int64 CODEC (ZSTD),
    refused Int64 CODEC (ZSTD),
    errors Int64 CODEC (ZSTD),
    cache_hits Int64 CODEC (ZSTD),
    input_tokens Int64 CODEC (ZSTD),
    output_tokens Int64 CODEC (ZSTD),
    cached_tokens Int64 CODEC (ZSTD),
    reasoning_tokens Int64 CODEC (ZSTD),
    reserved_tokens Int64 CODEC (ZSTD),
    total_ms Int64 CODEC (ZSTD),
    input_cost Decimal(38, 10) CODEC (ZSTD),
    cached_cost Decimal(38, 10) CODEC (ZSTD),
    output_cost Decimal(38, 10) CODEC (ZSTD),
    cache_write_tokens Int64 CODEC (ZSTD),
    audio_tokens Int64 CODEC (ZSTD),
    image_tokens Int64 CODEC (ZSTD),
    images Int64 CODEC (ZSTD),
    response_cache_hits Int64 CODEC (ZSTD),
    response_cache_bytes Int64 CODEC (ZSTD),
    saved_input_tokens Int64 CODEC (ZSTD),
    saved_output_tokens Int64 CODEC (ZSTD),
    saved_cost Decimal(38, 10) CODEC (ZSTD)
) ENGINE = MergeTree PARTITION BY toYYYYMM(bucket) ORDER BY (width, bucket, tenant_id, model, key_id, user_id);

-- The rows of the days before may be gone: what is summed up of them stays as it is.
CREATE TABLE IF NOT EXISTS usage_horizon (rows_from Date) ENGINE = MergeTree ORDER BY rows_from;

-- When rows of an hour last came, by the server's clock.  An hour that is not here is read from rows.
CREATE TABLE IF NOT EXISTS usage_hours (
    hour DateTime('UTC'),
    touched_at SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
) ENGINE = AggregatingMergeTree ORDER BY hour;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_hours_touched TO usage_hours AS
SELECT toStartOfHour(ts) AS hour, max(appended_at) AS touched_at FROM usage GROUP BY hour;

-- What came before the view was there, of the days that are not summed up yet.
INSERT INTO usage_hours
SELECT toStartOfHour(ts) AS hour, max(appended_at) AS touched_at FROM usage WHERE ts >= now() - INTERVAL 2 DAY
GROUP BY hour;

-- A roll of one hour, in the time before its day is over, or after rows of the hour came late.
CREATE TABLE IF NOT EXISTS usage_hour_rolls (
    hour DateTime('UTC'),
    roll UUID,
    rolled_at DateTime64(3, 'UTC')
) ENGINE = MergeTree ORDER BY (hour, rolled_at);

-- The lines of a bucket once more in coarser grains, which the server keeps, and reads in place of the lines where a
-- question asks for no more: so a report of few things reads few lines, however many keys there are.
ALTER TABLE usage_sums ADD PROJECTION IF NOT EXISTS by_model (
    SELECT width, bucket, roll, model, sum(requests), sum(refused), sum(errors), sum(cache_hits),
        sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(reasoning_tokens), sum(reserved_tokens),
        sum(total_ms), sum(input_cost), sum(cached_cost), sum(output_cost), sum(cache_write_tokens),
        sum(audio_tokens), sum(image_tokens), sum(images), sum(response_cache_hits), sum(response_cache_bytes),
        sum(saved_input_tokens), sum(saved_output_tokens), sum(saved_cost) GROUP BY width, bucket, roll, model
);

ALTER TABLE usage_sums MATERIALIZE PROJECTION by_model;

ALTER TABLE usage_sums ADD PROJECTION IF NOT EXISTS by_tenant_and_model (
    SELECT width, bucket, roll, tenant_id, model, sum(requests), sum(refused), sum(errors), sum(cache_hits),
        sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(reasoning_tokens), sum(reserved_tokens),
        sum(total_ms), sum(input_cost), sum(cached_cost), sum(output_cost), sum(cache_write_tokens),
        sum(audio_tokens), sum(image_tokens), sum(images), sum(response_cache_hits), sum(response_cache_bytes),
        sum(saved_input_tokens), sum(saved_output_tokens), sum(saved_cost) GROUP BY width, bucket, roll, tenant_id,
        model
);

ALTER TABLE usage_sums MATERIALIZE PROJECTION by_tenant_and_model;

ALTER TABLE usage_sums ADD PROJECTION IF NOT EXISTS by_key (
    SELECT width, bucket, roll, tenant_id, key_id, user_id, sum(requests), sum(refused), sum(errors),
        sum(cache_hits), sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(reasoning_tokens),
        sum(reserved_tokens), sum(total_ms), sum(input_cost), sum(cached_cost), sum(output_cost),
        sum(cache_write_tokens), sum(audio_tokens), sum(image_tokens), sum(images), sum(response_cache_hits),
        sum(response_cache_bytes), sum(saved_input_tokens), sum(saved_output_tokens), sum(saved_cost) GROUP BY
        width, bucket, roll, tenant_id, key_id, user_id
);

ALTER TABLE usage_sums MATERIALIZE PROJECTION by_key;

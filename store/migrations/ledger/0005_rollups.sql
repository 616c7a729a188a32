-- Money in the ledger, and sums of it that are kept up to date beside the path of the requests.

-- Per million tokens, in whatever currency the operator thinks in; null: free.
ALTER TABLE models ADD COLUMN IF NOT EXISTS input_price numeric CHECK (input_price >= 0);
ALTER TABLE models ADD COLUMN IF NOT EXISTS output_price numeric CHECK (output_price >= 0);
ALTER TABLE models ADD COLUMN IF NOT EXISTS cached_price numeric CHECK (cached_price >= 0);
ALTER TABLE api_keys ADD COLUMN IF NOT EXISTS last_used_at timestamptz;

-- What the tokens cost at the prices of the moment in which the row was written.  A later price changes no row.
ALTER TABLE usage ADD COLUMN input_cost numeric(30, 10) NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN cached_cost numeric(30, 10) NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN output_cost numeric(30, 10) NOT NULL DEFAULT 0;
-- Rows arrive nearly in the order of their time: block ranges find a minute at next to no cost for the writer.
CREATE INDEX usage_ts ON usage USING brin (ts) WITH (pages_per_range = 64, autosummarize = on);

-- Sums by minute, hour and day (UTC); `width` in seconds.  Only the roller writes here, always whole buckets.  A bucket
-- is there in several grains, so that a question about few things reads few rows: 0, by everything; 1, by tenant and
-- model; 2, by model; 3, by tenant, key and user.  Columns that a grain does not tell apart are empty.
CREATE TABLE usage_rollups (
    width            integer NOT NULL,
    grain            smallint NOT NULL,
    bucket           timestamptz NOT NULL,
    tenant_id        text NOT NULL,
    key_id           text NOT NULL,
    user_id          text NOT NULL,
    model            text NOT NULL,
    admission        text NOT NULL,
    rows             bigint NOT NULL,
    errors           bigint NOT NULL,
    cache_hits       bigint NOT NULL,
    input_tokens     bigint NOT NULL,
    output_tokens    bigint NOT NULL,
    cached_tokens    bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    reserved_tokens  bigint NOT NULL,
    total_ms         bigint NOT NULL,
    input_cost       numeric NOT NULL,
    cached_cost      numeric NOT NULL,
    output_cost      numeric NOT NULL
) PARTITION BY LIST (width);
CREATE TABLE usage_rollups_minute PARTITION OF usage_rollups FOR VALUES IN (60);
CREATE TABLE usage_rollups_hour PARTITION OF usage_rollups FOR VALUES IN (3600);
CREATE TABLE usage_rollups_day PARTITION OF usage_rollups FOR VALUES IN (86400);
CREATE INDEX usage_rollups_bucket ON usage_rollups (bucket, grain);
CREATE INDEX usage_rollups_tenant_bucket ON usage_rollups (tenant_id, grain, bucket);

-- Which buckets do not show what is below them.  A row for each change, never one for several: the roller deletes the
-- marks that it sees, and a change that it cannot see yet still has its own.
CREATE TABLE usage_marks (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    width  integer NOT NULL,  -- 60: rows of the minute have changed; 3600: minutes of the hour; 86400: hours of the day
    bucket timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX usage_marks_bucket ON usage_marks (bucket, width);

-- One row.  Minutes are kept from `minutes_from` on, rows from `rows_from` on; both are whole hours.
CREATE TABLE usage_horizon (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    minutes_from timestamptz NOT NULL,
    rows_from    timestamptz NOT NULL
);
INSERT INTO usage_horizon (minutes_from, rows_from)
VALUES (date_bin('1 hour', now(), '1970-01-01Z'), '1970-01-01Z');

-- Triggers, so that whoever writes rows, by whatever statement, leaves marks; once a statement, not once a row.
CREATE FUNCTION usage_mark() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_marks (width, bucket)
    SELECT DISTINCT 60, date_bin('1 minute', ts, '1970-01-01Z') FROM changed;
    RETURN NULL;
END $$;
CREATE FUNCTION usage_mark_both() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_marks (width, bucket)
    SELECT 60, date_bin('1 minute', ts, '1970-01-01Z') FROM changed
    UNION SELECT 60, date_bin('1 minute', ts, '1970-01-01Z') FROM before;
    RETURN NULL;
END $$;
CREATE TRIGGER usage_inserted AFTER INSERT ON usage
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION usage_mark();
CREATE TRIGGER usage_updated AFTER UPDATE ON usage
    REFERENCING NEW TABLE AS changed OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION usage_mark_both();
CREATE TRIGGER usage_deleted AFTER DELETE ON usage
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION usage_mark();
-- What was there before.
INSERT INTO usage_marks (width, bucket) SELECT DISTINCT 60, date_bin('1 minute', ts, '1970-01-01Z') FROM usage;

-- Retention: drops the months that end by `cutoff` and returns their names; their hours and days stay in the rollups.
-- Rows that arrive for them afterwards are kept as rows, but no longer summed.
CREATE FUNCTION forget_usage_before(cutoff timestamptz) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    month record;
    bound timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(x'746f6c6d'::int);  -- no partition is made meanwhile
    PERFORM 1 FROM usage_horizon FOR UPDATE;          -- nothing is rolled meanwhile
    FOR month IN
        SELECT child.oid::regclass::text AS name,
               (regexp_match(pg_get_expr(child.relpartbound, child.oid), 'TO \(''([^'']+)''\)'))[1]::timestamptz AS ends
        FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
        WHERE inhparent = 'usage'::regclass
        ORDER BY 2
    LOOP
        CONTINUE WHEN month.ends IS NULL OR month.ends > cutoff;
        IF EXISTS (SELECT 1 FROM usage_marks
                   WHERE width = 60 AND bucket < month.ends
                     AND bucket >= (SELECT rows_from FROM usage_horizon)) THEN
            RAISE EXCEPTION '% is not summed up yet; try again in a minute', month.name;
        END IF;
        EXECUTE format('DROP TABLE %s', month.name);
        bound := month.ends;
        RETURN NEXT month.name;
    END LOOP;
    IF bound IS NOT NULL THEN
        UPDATE usage_horizon
        SET rows_from = greatest(rows_from, bound), minutes_from = greatest(minutes_from, bound);
    END IF;
END $$;

-- Sums of what few requests have, `parts` of the ledger.  What is summed up already has none; a bucket that a roller of the
-- version before sums up from now on has null, which says that it is to be summed anew.
ALTER TABLE usage_rollups
    ADD COLUMN cache_write_tokens bigint DEFAULT 0,
    ADD COLUMN audio_tokens       bigint DEFAULT 0,
    ADD COLUMN image_tokens       bigint DEFAULT 0,
    ADD COLUMN images             bigint DEFAULT 0;
ALTER TABLE usage_rollups
    ALTER COLUMN cache_write_tokens DROP DEFAULT,
    ALTER COLUMN audio_tokens DROP DEFAULT,
    ALTER COLUMN image_tokens DROP DEFAULT,
    ALTER COLUMN images DROP DEFAULT;
CREATE INDEX usage_rollups_unknown ON usage_rollups (width, bucket) WHERE images IS NULL;

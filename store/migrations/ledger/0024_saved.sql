-- What answers from the response cache were worth beyond what was charged for them.  `admission` of such a row is 'cached'.
ALTER TABLE usage
    ADD COLUMN saved_input_tokens  bigint NOT NULL DEFAULT 0,
    ADD COLUMN saved_output_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN saved_cost          numeric(30, 10) NOT NULL DEFAULT 0;
ALTER TABLE usage_rollups
    ADD COLUMN response_cache_hits  bigint NOT NULL DEFAULT 0,
    ADD COLUMN response_cache_bytes bigint NOT NULL DEFAULT 0,
    ADD COLUMN saved_input_tokens   bigint NOT NULL DEFAULT 0,
    ADD COLUMN saved_output_tokens  bigint NOT NULL DEFAULT 0,
    ADD COLUMN saved_cost           numeric NOT NULL DEFAULT 0;

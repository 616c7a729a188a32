-- Prices of every kind of thing that is used, their history, and in the ledger what a bill is recomputed from.

-- Like the prices before: for a million tokens, but the last two for one image and one request; null: that of the whole.
ALTER TABLE models
    ADD COLUMN cache_write_5m_price numeric(20, 8) CHECK (cache_write_5m_price >= 0),
    ADD COLUMN cache_write_1h_price numeric(20, 8) CHECK (cache_write_1h_price >= 0),
    ADD COLUMN reasoning_price      numeric(20, 8) CHECK (reasoning_price >= 0),
    ADD COLUMN audio_input_price    numeric(20, 8) CHECK (audio_input_price >= 0),
    ADD COLUMN audio_output_price   numeric(20, 8) CHECK (audio_output_price >= 0),
    ADD COLUMN image_input_price    numeric(20, 8) CHECK (image_input_price >= 0),
    ADD COLUMN image_output_price   numeric(20, 8) CHECK (image_output_price >= 0),
    ADD COLUMN image_price          numeric(20, 8) CHECK (image_price >= 0),
    ADD COLUMN request_price        numeric(20, 8) CHECK (request_price >= 0),
    -- [{"service_tier", "above_input_tokens", and prices by the names above, as text}]
    ADD COLUMN price_tiers          jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(price_tiers) = 'array'),
    ADD COLUMN price_version        bigint;  -- of model_prices; null: no prices

-- Every price set that a model ever had, for good: rows of the ledger name the version that they were priced by.
CREATE TABLE model_prices (
    version  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id text NOT NULL,
    model    text NOT NULL,
    prices   jsonb NOT NULL,  -- the prices that are named, in the currency, and the tiers if there are any
    since    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX model_prices_by_model ON model_prices (model_id, version);

CREATE FUNCTION model_prices_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'prices that were in force stay as they were';
END $$;
CREATE TRIGGER model_prices_stay BEFORE UPDATE OR DELETE ON model_prices
    FOR EACH ROW EXECUTE FUNCTION model_prices_stay();

-- A trigger, so that whoever changes prices, by whatever statement, leaves their history in the same transaction.
CREATE FUNCTION models_keep_prices() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    named jsonb := jsonb_strip_nulls(jsonb_build_object(
        'input_price', trim_scale(NEW.input_price),
        'output_price', trim_scale(NEW.output_price),
        'cached_price', trim_scale(NEW.cached_price),
        'cache_write_5m_price', trim_scale(NEW.cache_write_5m_price),
        'cache_write_1h_price', trim_scale(NEW.cache_write_1h_price),
        'reasoning_price', trim_scale(NEW.reasoning_price),
        'audio_input_price', trim_scale(NEW.audio_input_price),
        'audio_output_price', trim_scale(NEW.audio_output_price),
        'image_input_price', trim_scale(NEW.image_input_price),
        'image_output_price', trim_scale(NEW.image_output_price),
        'image_price', trim_scale(NEW.image_price),
        'request_price', trim_scale(NEW.request_price)));
BEGIN
    IF NEW.price_tiers <> '[]' THEN
        named := named || jsonb_build_object('price_tiers', NEW.price_tiers);
    END IF;
    IF named = '{}' THEN
        NEW.price_version := NULL;
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        NEW.price_version := (SELECT version FROM model_prices WHERE version = OLD.price_version AND prices = named);
    END IF;
    IF TG_OP = 'INSERT' OR NEW.price_version IS NULL THEN
        INSERT INTO model_prices (model_id, model, prices) VALUES (NEW.id, NEW.name, named)
        RETURNING version INTO NEW.price_version;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER models_keep_prices BEFORE INSERT OR UPDATE ON models
    FOR EACH ROW EXECUTE FUNCTION models_keep_prices();
UPDATE models SET price_version = NULL;

-- `parts`: what few requests have, by kind, `{"cache_write_5m": 1200}`; null: nothing.  `price_version`: of model_prices;
-- null: the model had no prices, or the row is from before.
ALTER TABLE usage
    ADD COLUMN parts         json,
    ADD COLUMN service_tier  text NOT NULL DEFAULT '',
    ADD COLUMN price_version bigint;

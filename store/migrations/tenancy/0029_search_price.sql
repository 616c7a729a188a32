-- The price of each search that a provider made for a request; null: free.
ALTER TABLE models ADD COLUMN search_price numeric(20, 8) CHECK (search_price >= 0);

-- As before, with that price.
CREATE OR REPLACE FUNCTION models_keep_prices() RETURNS trigger LANGUAGE plpgsql AS $$
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
        'request_price', trim_scale(NEW.request_price),
        'search_price', trim_scale(NEW.search_price)));
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

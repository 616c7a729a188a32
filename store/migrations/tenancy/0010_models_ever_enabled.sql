-- A registry bars what is not in it once it has served something.  One that only ever had disabled models bars those.
ALTER TABLE models ADD COLUMN ever_enabled boolean NOT NULL DEFAULT false;
UPDATE models SET ever_enabled = true;  -- whatever was registered before barred the others, and goes on to
CREATE FUNCTION models_ever_enabled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.ever_enabled := NEW.ever_enabled OR NEW.enabled;
    RETURN NEW;
END $$;
CREATE TRIGGER models_ever_enabled BEFORE INSERT OR UPDATE ON models
    FOR EACH ROW EXECUTE FUNCTION models_ever_enabled();

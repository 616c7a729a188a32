-- What the model server calls the work that a request began and that goes on after its answer; '' of most.
ALTER TABLE usage ADD COLUMN IF NOT EXISTS job text NOT NULL DEFAULT '';
CREATE INDEX IF NOT EXISTS usage_open_jobs ON usage (id) WHERE job <> '' AND usage_source = 'reserved';

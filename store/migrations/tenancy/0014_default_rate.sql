-- Tenants whose requests_per_minute is the configured default, and changes with it.
ALTER TABLE tenants ADD COLUMN follows_default_rate boolean NOT NULL DEFAULT false;
CREATE INDEX tenants_by_default_rate ON tenants (id) WHERE follows_default_rate;

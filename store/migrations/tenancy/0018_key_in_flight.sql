-- How many requests with the key may be in flight at once; NULL: not limited.
ALTER TABLE api_keys ADD COLUMN IF NOT EXISTS max_in_flight integer CHECK (max_in_flight > 0);

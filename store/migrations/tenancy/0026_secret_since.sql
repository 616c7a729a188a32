-- Since when a key has its secret; null: since it was made, as far as is known.
ALTER TABLE api_keys ADD COLUMN secret_since timestamptz;

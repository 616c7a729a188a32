-- How long a request for the model may wait for room; NULL: as everywhere.
ALTER TABLE models ADD COLUMN IF NOT EXISTS queue_timeout_seconds integer CHECK (queue_timeout_seconds BETWEEN 0 AND 600);

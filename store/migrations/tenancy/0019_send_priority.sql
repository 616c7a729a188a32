-- Whether a model's requests say the priority of their fairshare group, in their bodies.
ALTER TABLE models ADD COLUMN IF NOT EXISTS send_priority boolean NOT NULL DEFAULT false;

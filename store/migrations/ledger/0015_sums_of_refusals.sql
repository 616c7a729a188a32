-- How many requests a row stands for: many refusals of one key within some seconds are one row.
ALTER TABLE usage ADD COLUMN requests integer NOT NULL DEFAULT 1;

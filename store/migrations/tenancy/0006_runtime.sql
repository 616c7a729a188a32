-- What may be changed while everything runs.  One row; null: not bounded.  `version` orders the copies in Redis.
CREATE TABLE runtime_settings (
    only_row            boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    max_in_flight       integer CHECK (max_in_flight >= 0),
    max_in_flight_total integer CHECK (max_in_flight_total >= 0),
    version             bigint NOT NULL DEFAULT 1,
    updated_at          timestamptz NOT NULL DEFAULT now()
);
INSERT INTO runtime_settings DEFAULT VALUES;

-- Alerts on what a tenant spends in a month, in cents.  Recipients are handed on with the event: no mail is sent.
CREATE TABLE spend_alerts (
    id               text PRIMARY KEY CHECK (id ~ '^alert_[0-9a-f]{24}$'),
    tenant_id        text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    threshold_amount bigint NOT NULL CHECK (threshold_amount > 0),
    recipients       text[] NOT NULL,
    subject_prefix   text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX spend_alerts_by_tenant ON spend_alerts (tenant_id, created_at, id);

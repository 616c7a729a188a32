-- Teams: what a tenant is called by people, and the team that is there from the start, for users without another.
ALTER TABLE tenants
    ADD COLUMN display_name text NOT NULL DEFAULT '',
    ADD COLUMN description  text NOT NULL DEFAULT '';
INSERT INTO policies (name, description) VALUES ('unlimited-policy', 'Without limits') ON CONFLICT DO NOTHING;
INSERT INTO tenants (id, name, display_name, description, policy)
VALUES ('default', 'default', 'Default Team',
        'Default team for simple MaaS deployments - users without team assignment', 'unlimited-policy')
ON CONFLICT DO NOTHING;  -- somebody has a tenant of this id or name already: it stays as it is
-- The keys and the usage of a person over all tenants.
CREATE INDEX api_keys_by_user ON api_keys (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX usage_rollups_user_bucket ON usage_rollups (user_id, bucket) WHERE grain = 3;

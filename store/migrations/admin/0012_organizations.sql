-- Organizations, whose people sign in with e-mail address and password and see their own tenants only.

CREATE TABLE organizations (
    id         text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
    name       text NOT NULL UNIQUE,
    plan       text NOT NULL DEFAULT 'free' CHECK (plan IN ('free', 'scale', 'enterprise')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Null: a tenant of the operators.  Names are unique within an organization, so that a name that is taken tells nobody
-- of another's tenants.  It never changes.
ALTER TABLE tenants ADD COLUMN organization text REFERENCES organizations (id);
ALTER TABLE tenants DROP CONSTRAINT tenants_name_key;
CREATE UNIQUE INDEX tenants_name_key ON tenants (name, coalesce(organization, ''));
CREATE INDEX tenants_by_organization ON tenants (organization, created_at, id) WHERE organization IS NOT NULL;

-- Whose a tenant is or was: what it used stays its organization's when it is deleted.
CREATE TABLE organization_tenants (
    tenant_id    text PRIMARY KEY,
    organization text NOT NULL REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE INDEX organization_tenants_by_organization ON organization_tenants (organization);
CREATE FUNCTION organization_tenants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM organization_tenants WHERE tenant_id = NEW.id;
    IF NEW.organization IS NOT NULL THEN
        INSERT INTO organization_tenants (tenant_id, organization) VALUES (NEW.id, NEW.organization);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER organization_tenants AFTER INSERT ON tenants FOR EACH ROW EXECUTE FUNCTION organization_tenants();

-- Whose people made the change; null: the operators'.
ALTER TABLE audit_log ADD COLUMN organization text;
CREATE INDEX audit_log_by_organization ON audit_log (organization, id) WHERE organization IS NOT NULL;

-- `email` in lower case.
CREATE TABLE accounts (
    id            text PRIMARY KEY,
    email         text NOT NULL UNIQUE,
    organization  text NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    role          text NOT NULL CHECK (role IN ('owner', 'member', 'viewer')),
    disabled      boolean NOT NULL DEFAULT false,
    password_hash text NOT NULL,  -- argon2id, with its parameters
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX accounts_by_organization ON accounts (organization);

-- Who is signed in.  `spent_hash`: the refresh token before this one, which only a thief or a lost answer shows again.
CREATE TABLE account_sessions (
    id           text PRIMARY KEY,
    account_id   text NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    refresh_hash text NOT NULL UNIQUE CHECK (refresh_hash ~ '^[0-9a-f]{64}$'),
    spent_hash   text UNIQUE CHECK (spent_hash ~ '^[0-9a-f]{64}$'),
    source       text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);
CREATE INDEX account_sessions_by_account ON account_sessions (account_id, created_at);

-- What an owner hands to somebody who is to have an account; deleted when it is accepted.
CREATE TABLE invitations (
    id           text PRIMARY KEY,
    token_hash   text NOT NULL UNIQUE CHECK (token_hash ~ '^[0-9a-f]{64}$'),
    organization text NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    email        text NOT NULL,
    role         text NOT NULL CHECK (role IN ('owner', 'member', 'viewer')),
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);
CREATE INDEX invitations_by_organization ON invitations (organization, created_at);

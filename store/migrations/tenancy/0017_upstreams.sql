-- Where the requests for a model go: `[{"url", "weight", "priority", "credential"}]`, how they are sent, and for an alias what it
-- stands for: `[{"model", "weight"}]`.  A credential is the name of a secret that sidecars have, never the secret.
ALTER TABLE models
    ADD COLUMN endpoints         jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(endpoints) = 'array'),
    ADD COLUMN targets           jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(targets) = 'array'),
    ADD COLUMN credential        text,
    ADD COLUMN credential_header text NOT NULL DEFAULT 'authorization',
    ADD COLUMN timeout_seconds   integer CHECK (timeout_seconds > 0),
    ADD COLUMN retries           integer NOT NULL DEFAULT 2 CHECK (retries >= 0),
    ADD COLUMN health_path       text,
    ADD COLUMN ca_file           text;

-- The name by which the model was asked for, '' if by its own.
ALTER TABLE usage ADD COLUMN alias text NOT NULL DEFAULT '';

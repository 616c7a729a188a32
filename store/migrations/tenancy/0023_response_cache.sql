-- How answers of a model are kept (tenancy/values/response_cache.py); `cache_purges`: how often all of them were forgotten.
ALTER TABLE models
    ADD COLUMN cache_scope        text NOT NULL DEFAULT 'tenant' CHECK (cache_scope IN ('tenant', 'user', 'all')),
    ADD COLUMN cache_requests          text NOT NULL DEFAULT 'deterministic' CHECK (cache_requests IN ('deterministic', 'all')),
    ADD COLUMN cache_max_bytes      integer NOT NULL DEFAULT 1048576 CHECK (cache_max_bytes BETWEEN 1 AND 2097152),
    ADD COLUMN cache_charge_percent integer NOT NULL DEFAULT 0 CHECK (cache_charge_percent BETWEEN 0 AND 100),
    ADD COLUMN cache_purges         integer NOT NULL DEFAULT 0;

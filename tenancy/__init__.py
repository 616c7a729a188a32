"""L2, tenants with their users, keys, limits and models: what operators manage, and how sidecars look it up."""

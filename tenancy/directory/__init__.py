"""What operators manage: tenants, users, keys, groups, limits, policies, models, servers.  Values and ports."""

"""What operators manage (tenants, users, keys, groups, limits, policies, models, servers): values and ports."""

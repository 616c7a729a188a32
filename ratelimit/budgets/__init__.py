"""Live budgets: rules, costs and leases, counted in Redis.  Knows nothing of tenants."""

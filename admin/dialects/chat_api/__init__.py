"""ChatAPI: who has the master key makes tenants, each with its first key."""

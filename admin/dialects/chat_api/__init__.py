"""ChatAPI: the holder of the master key makes tenants, each with its first key."""

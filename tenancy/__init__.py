"""L2, tenants, users, keys, groups, models and their policies: values, ports, adapters, the resolver chain."""

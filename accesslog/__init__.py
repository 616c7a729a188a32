"""L4, Envoy's access log service: what was used; settles budgets and writes the ledger."""

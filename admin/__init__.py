"""L5, the management API: HTTP in, tenancy and ledger out. It decides nothing about data-plane requests."""

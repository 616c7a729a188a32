"""L4: budgets against the ledger: what budgets should count, found out from the rows; restoring them, auditing them."""

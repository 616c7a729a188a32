"""L3, the usage ledger: rows, what they cost, and reports of their sums."""

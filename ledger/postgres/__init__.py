"""The ledger on Postgres: partitions, rollups and the sums made of them are private to this package."""

"""The ledger on ClickHouse: its tables, sums by day and how they are read are private to this package."""

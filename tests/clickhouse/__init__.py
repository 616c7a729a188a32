"""A ClickHouse for tests: its engine (chdb), and as much of its HTTP interface as clickhouse-connect uses."""

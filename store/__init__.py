"""L1, opening Postgres and Redis; migrations. No query of a slice belongs here."""

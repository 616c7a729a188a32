"""The directory's ports, and the sources of records, on Postgres."""

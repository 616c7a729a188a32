"""The directory's ports in plain dictionaries: the oracles that the Postgres adapters are compared with."""

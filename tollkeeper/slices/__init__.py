"""The services of a sidecar: each is a row of table.py, and a file of the same name that makes it.  Wiring only."""

"""The pages of the console: each reads what it shows with queries, and changes with commands."""

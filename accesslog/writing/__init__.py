"""Rows on their way into the ledger: written in batches, kept on disk while it is away."""

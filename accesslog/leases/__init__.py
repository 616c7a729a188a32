"""What becomes of leases without an entry of their own: of requests that still run, and of those that none settles."""

"""Tenants, users, keys and limits of other systems: what they are here, and how they get here."""

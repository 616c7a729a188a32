"""The key manager: teams with token limits, and the keys of their users (docs/client/key-manager.md).

A team is a tenant, whose id is chosen by the caller; a key's `secret_name` is its name.
"""

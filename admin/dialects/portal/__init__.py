"""The portal: people of organizations sign in, and manage their tenants and keys.

A tenant's `display_name` is that of people, and its `environment` is in its metadata.
"""

"""Adapters for the people behind tenants: organizations with their accounts, teams, users."""

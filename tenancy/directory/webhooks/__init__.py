"""Webhooks and alerts on what is spent: values and ports, and what of a change is told."""

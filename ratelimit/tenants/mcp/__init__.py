"""Calls of MCP servers: who may make them, and what a refusal of one looks like.  The counting is that of tenants."""

"""Webhooks in Postgres: what operators manage, events as they are written, and the queue of deliveries."""

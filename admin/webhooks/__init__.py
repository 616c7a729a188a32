"""Telling webhooks: noticing what nobody asked for, and sending what is in the queue.  Tasks of the management API."""

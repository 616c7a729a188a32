"""Invalidations: what a message that something has changed may say.  Pure; the channel's name is in tenancy/redis.

A message is the hash of the key whose record changed, or one of these words.  The outbox's rows say the same.
"""

INVALIDATE_ALL = "*"
INVALIDATE_MODELS = "models"
INVALIDATE_CAPACITY = "capacity"

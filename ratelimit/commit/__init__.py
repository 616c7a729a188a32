"""How requests get their decisions: many in one round trip, and what becomes of them while Redis is away."""

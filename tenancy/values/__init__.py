"""Values without I/O: limits, policies, key records, prices, secrets, calendars."""

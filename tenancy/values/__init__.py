"""Pure values, for every slice: limits, policies, key records, prices, secrets, calendar windows."""

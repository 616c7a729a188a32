"""L3, Envoy's rate limit service: what a request may cost, the live budgets it is reserved from, the answer."""

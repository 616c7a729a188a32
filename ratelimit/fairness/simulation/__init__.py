"""A simulator: a trace of requests, a model of a server, and a policy that says who runs.  It is how an operator
chooses weights and capacity before the tenants feel them."""

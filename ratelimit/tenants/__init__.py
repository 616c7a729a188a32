"""What budgets mean for tenants: the account of a policy, the estimate of a request, the answer to it."""

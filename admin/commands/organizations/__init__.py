"""Organizations: their people, how they sign in, and the stores as one organization sees them."""

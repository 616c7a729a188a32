"""What Redis holds of tenancy: copies of key records, models and the capacity, and the channel of invalidations."""

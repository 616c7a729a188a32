"""What Redis holds of tenancy: the names of its keys, and copies of records, models and the capacity."""

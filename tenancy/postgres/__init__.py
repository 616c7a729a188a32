"""The directory's ports on Postgres, and the sources that sidecars read: key records, models, capacity."""

"""What the sidecars tell each other through Redis: reports, shares of the capacity, and bodies that have arrived."""

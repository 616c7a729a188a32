"""What the sidecars tell each other through Redis: reports, shares of the capacity, what arrived or ended elsewhere."""

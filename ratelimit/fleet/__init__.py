"""What the sidecars tell each other through Redis: reports, and shares of the capacity."""

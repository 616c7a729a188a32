"""What happens when a part dies, hangs, is cut off or comes back empty."""

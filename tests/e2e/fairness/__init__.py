"""Fair admission on the whole chain."""

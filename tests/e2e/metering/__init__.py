"""What is charged, through the whole chain."""

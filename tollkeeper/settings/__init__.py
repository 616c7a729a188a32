"""What settings there are, what they may be, and the ways in which they are given.  Read by config.py."""

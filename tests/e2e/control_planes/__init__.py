"""The three other control planes and the console, on a running stack."""

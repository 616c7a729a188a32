"""What finished requests teach of each model, in memory and bounded: its speed, and how far our estimates are off."""

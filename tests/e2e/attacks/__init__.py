"""What clients and neighbours may try."""

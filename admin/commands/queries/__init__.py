"""What can be looked at; nothing here changes anything."""

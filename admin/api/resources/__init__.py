"""What operators manage: a file a resource, with its routes and what their bodies and answers hold.  No decisions."""

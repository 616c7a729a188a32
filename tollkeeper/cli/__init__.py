"""`tollkeeper tenant|key|model|…`: the management API from the command line.  One file a noun; only HTTP."""

"""Who runs next when not all can: hierarchical weighted fair queueing.  Pure: no clock, no I/O, no threads."""

"""L1, what model clients are told when Tollkeeper refuses: in the shape of the API that they called.  Pure."""

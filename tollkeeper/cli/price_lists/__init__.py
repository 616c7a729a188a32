"""Public lists of prices, as fields of a model in the management API, and what to take over from one.  No request is
made here."""

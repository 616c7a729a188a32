"""The documents: their command blocks run, and the site that is built from them."""

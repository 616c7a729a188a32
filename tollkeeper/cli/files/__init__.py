"""Commands whose answer is a file: exports and statements."""

"""From a key's hash to its record, and from a name to its model: caches in the process, ports to the stores behind."""

"""Looking up a key by its hash and a model by its name: caches in this process, and the ports of the stores behind."""

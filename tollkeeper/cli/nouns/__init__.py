"""One file a noun: the resource that it describes, the verbs that it has, and those that only it has."""

"""What waits in an engine: the messages of a stream, and steps that can wait for everything else."""

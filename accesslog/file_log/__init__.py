"""Envoy's JSON log file, which has what the gRPC log stream lost: read to its end, given back to the disk."""

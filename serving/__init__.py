"""L1, the gRPC engine and what a server process shows of itself: batches in, bytes out, health, metrics, drain."""

"""L1, the gRPC engines, and what a server process shows of itself: health, metrics, drain."""

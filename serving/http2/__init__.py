"""The engine of our own for gRPC over HTTP/2, on Unix sockets."""

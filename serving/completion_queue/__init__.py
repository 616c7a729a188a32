"""The engine on grpcio's private completion queue: as fast as grpcio can be.  Nothing else may import `cygrpc`."""

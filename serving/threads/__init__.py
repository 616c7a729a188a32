"""The engine on grpcio's public threaded server: the fallback where the completion queue does not fit."""

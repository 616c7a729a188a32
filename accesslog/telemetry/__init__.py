"""What OpenTelemetry is told of finished requests, after the fact; loaded only where a receiver is set."""

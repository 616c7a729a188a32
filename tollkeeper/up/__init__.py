"""The embedded stack: real servers from wheels, started and stopped with this process.  For `up` and for the tests."""

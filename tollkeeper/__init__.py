"""L6, being a process: command line, configuration, wiring, the embedded stack. No decision belongs here."""

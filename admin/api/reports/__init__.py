"""What operators look at: usage, costs, sidecars, who runs how much now.  Routes and what their answers hold."""

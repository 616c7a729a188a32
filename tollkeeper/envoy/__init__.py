"""Envoy's configuration, rendered for given settings. What is in it belongs to the top-level folder envoy/."""

"""L3, Envoy's ext_authz service: who is calling. Never imports ratelimit."""

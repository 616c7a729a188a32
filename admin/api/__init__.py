"""The management API: the surface at /api/v1, in JSON, with RFC 9457 problems and an OpenAPI document of its own."""

"""How Envoy says the secret of a sidecar on TCP: with its gRPC calls, and with those of its scripts.  Pure."""

import json

from serving.guard import SECRET_KEY


def metadata_of(secret: str) -> list[str]:
    """Lines of YAML; none if there is no secret to say."""
    return [f"initial_metadata: [{{key: {SECRET_KEY}, value: {json.dumps(secret)}}}]"] if secret else []


def table_of(secret: str) -> str:
    """A table of Lua, of headers."""
    return f'{{ ["{SECRET_KEY}"] = "{secret}" }}' if secret else "{}"

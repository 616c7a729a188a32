"""Examples for every body of the OpenAPI document, put together from those of the fields.  Pure."""

from typing import Any

DEEPEST = 8  # levels: schemas may refer to themselves
BY_FORMAT = {"date-time": "2026-01-15T10:00:00Z", "uri": "https://example.com", "uuid": "0" * 8}
# By the name of a field, where its type does not say enough.
BY_NAME: dict[str, Any] = {
    "id": "5f0c6a52-8f0e-4d0e-9d2b-5c1f1d0f5a10",
    "tenant_id": "5f0c6a52-8f0e-4d0e-9d2b-5c1f1d0f5a10",
    "key_id": "9b2e8a14-40cf-4be1-8f0a-1f4a2d1b7c33",
    "name": "my-team",
    "user_id": "ann",
    "email": "ann@example.com",
    "user_email": "ann@example.com",
    "password": "a first password",
    "policy": "gold",
    "upstream_name": "mock-model-large",
    "key_prefix": "sk_a1b2c3d4e5f6a1b",
    "secret": "sk_" + "a1b2c3d4e5f6" * 4,
    "token_prefix": "tka_a1b2c3d4",
    "token": "tka_" + "a1b2c3d4e5f6" * 4,
    "fairshare_group": "default",
    "model": "mock-model",
    "actor": "admin",
    "action": "create_tenant",
    "target_type": "tenant",
    "target_id": "5f0c6a52-8f0e-4d0e-9d2b-5c1f1d0f5a10",
    "source": "10.0.0.1",
    "request_id": "9d6c9a6e-0c3e-4a5f-9a7e-3f6b2e1d0c9b",
    "next_cursor": None,
    "deletes": {"tenants": 1, "users": 2, "api_keys": 3, "limits": 1},
}


def example_of(schema: dict[str, Any], schemas: dict[str, Any], name: str = "", depth: int = 0) -> Any:
    """A value that fits the schema; `schemas` are those that it may refer to."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name, depth)
    for given in ("examples", "enum"):
        if schema.get(given):
            return schema[given][0]
    for given in ("example", "const", "default"):
        if schema.get(given) is not None:
            return schema[given]
    choices = schema.get("anyOf") or schema.get("oneOf")
    types = [choice.get("type") for choice in choices or []] + [schema.get("type")]
    if name in BY_NAME and (BY_NAME[name] is not None or "null" in types) and _plain(types):
        return BY_NAME[name]
    if choices:
        return example_of(choices[0], schemas, name, depth)
    return _of_type(schema, schemas, name, depth)


def _plain(types: list[str | None]) -> bool:
    return "string" in types or "null" in types or "object" in types


def _of_type(schema: dict[str, Any], schemas: dict[str, Any], name: str, depth: int) -> Any:
    match schema.get("type"):
        case "object" if depth < DEEPEST and "properties" in schema:
            fields = schema["properties"].items()
            return {name: example_of(field, schemas, name, depth + 1) for name, field in fields}
        case "object":
            return {}
        case "array":
            items = schema.get("items") or {}
            return [example_of(items, schemas, name, depth + 1)] if items and depth < DEEPEST else []
        case "integer":
            return int(max(schema.get("minimum", 1), 1))
        case "number":
            return max(schema.get("minimum", 1.0), 1.0)
        case "boolean":
            return True
        case "null":
            return None
    return BY_FORMAT.get(schema.get("format", ""), name or "text")

"""The OpenAPI 3.1 document: FastAPI's own, completed with the token, examples, and the problems of every route."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from admin.api.examples import example_of
from admin.api.problems import MEDIA_TYPE

PROBLEM = {
    "title": "Problem",
    "description": "RFC 9457 problem document",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
    "examples": [
        {
            "type": "about:blank",
            "title": "Conflict",
            "status": 409,
            "detail": "there is already a tenant named 'my-team'",
            "request_id": "9d6c9a6e-0c3e-4a5f-9a7e-3f6b2e1d0c9b",
            "errors": [{"field": "name", "detail": "there is already a tenant named 'my-team'"}],
        }
    ],
}
# What any route may answer, and what those with a body, an id or terms may in addition.
ALWAYS = {"400": "The query names something twice, or is not text; or the body is not JSON"}
ALWAYS |= {"401": "No valid admin token", "403": "The token's role does not allow it"}
ALWAYS |= {"429": "Too many wrong tokens from this address", "415": "The body is not called JSON"}
ALWAYS |= {"408": "The body came too slowly", "413": "The body is too large"}
ALWAYS |= {"422": "A field is wrong; `errors` names it", "500": "Unexpected error"}
ALWAYS |= {"503": "A store is away, or usage is not summed up yet"}
WITH_BODY = {"409": "The name is taken, or the request was made before"}
WITH_ID = {"404": "There is no such thing"}
WITH_IF_MATCH = {"412": "It was changed since the caller read it", "409": "It is in use, or the name is taken"}
ETAG = {
    "description": "The state shown; for If-Match",
    "schema": {"type": "string", "examples": ['"3f2a9c0b5d1e4f60718293a4"']},
}
SCHEMA_ROUTE = {
    "tags": ["health"],
    "summary": "Openapi",
    "description": "This document.",
    "operationId": "openapi",
    "responses": {
        "200": {
            "description": "OpenAPI 3.1",
            "content": {"application/json": {"schema": {"type": "object"}, "example": {"openapi": "3.1.0"}}},
        }
    },
}


def install(app: FastAPI, open_paths: frozenset[str]) -> None:
    """Makes app.openapi() the completed document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            schema["paths"][app.openapi_url] = {"get": SCHEMA_ROUTE}
            app.openapi_schema = _complete(schema, open_paths)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(schema: dict[str, Any], open_paths: frozenset[str]) -> dict[str, Any]:
    schema["servers"] = [{"url": "/"}]
    components = schema.setdefault("components", {})
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM
    for path, operations in schema["paths"].items():
        tagged = any("if-match" in _parameters(operation) for operation in operations.values())
        for method, operation in operations.items():
            if path not in open_paths:
                operation["security"] = [{"token": []}]
                operation["responses"] |= _problems(path, operation)
            _show_etag(operation, read=tagged and method == "get")
            _show_examples(operation, schemas)
    return schema


def _problems(path: str, operation: dict[str, Any]) -> dict[str, Any]:
    names = _parameters(operation)
    problems = dict(ALWAYS)
    problems |= WITH_BODY if "requestBody" in operation or "idempotency-key" in names else {}
    problems |= WITH_IF_MATCH if "if-match" in names else {}
    problems |= WITH_ID if "{" in path or "requestBody" in operation or "tenant_id" in names else {}
    return {status: _response(text) for status, text in sorted(problems.items())}


def _response(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _parameters(operation: dict[str, Any]) -> set[str]:
    return {each["name"].lower() for each in operation.get("parameters", ())}


def _show_etag(operation: dict[str, Any], *, read: bool) -> None:
    """On what shows one resource: what takes If-Match, creates, and what is `read` where If-Match is taken."""
    names = _parameters(operation)
    for status in ("200", "201"):
        response = operation["responses"].get(status)
        shows = read or "if-match" in names or status == "201"
        if response and shows and "dry_run" not in names:
            response["headers"] = {"ETag": ETAG}


def _show_examples(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    for body in bodies:
        for content in body.get("content", {}).values():
            shown = {"example", "examples"} & set(content)
            if content.get("schema") and not shown:
                content["example"] = example_of(content["schema"], schemas)

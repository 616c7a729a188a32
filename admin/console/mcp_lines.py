"""Grants, headers and bounds of an MCP server as people type them: one a line, what has a space in quotes."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from admin.console.numbers import whole_number
from admin.fields import InFlight
from admin.mcp_fields import GrantBody, Headers, ToolName
from tenancy.values.mcp import MAX_GRANTS, MAX_TOOLS, Grant

EVERYBODY, NO_TOOLS = "everybody", "tools=none"
EXAMPLE = "must be like tenant=acme tool=search, key=ID, or everybody"


def lines_of_grants(grants: Sequence[Grant]) -> str:
    return "\n".join(map(_line, grants))


def _line(of: Grant) -> str:
    whom = [f"{name}={each}" for name, each in (("tenant", of.tenant), ("key", of.key)) if each is not None]
    tools = [f"tool={each}" for each in of.tools or ()] if of.tools != () else [NO_TOOLS]
    return shlex.join([*(whom or [EVERYBODY]), *tools])


def lines_of_headers(headers: Mapping[str, str]) -> str:
    return "\n".join(f"{name}: {text}" for name, text in headers.items())


def lines_of_bounds(bounds: Mapping[str, int]) -> str:
    return "\n".join(shlex.join([f"{tool}={most}"]) for tool, most in bounds.items())


def _lines(value: object) -> list[str]:
    return [line for line in str(value or "").splitlines() if line.strip()]


def _grants(value: object) -> list[dict[str, Any]]:
    return [_grant(shlex.split(line)) for line in _lines(value)]


def _grant(words: Sequence[str]) -> dict[str, Any]:
    """Always names whom it is for: an omission by mistake must not open a server to everybody."""
    whom: dict[str, str] = {}
    tools: list[str] | None = None
    for word in words:
        name, _, text = word.partition("=")
        if word == NO_TOOLS:
            tools = tools or []
        elif name == "tool" and text:
            tools = [*(tools or []), text]
        elif name not in whom and (word == EVERYBODY or (name in ("tenant", "key") and text)):
            whom[name] = text
        else:
            raise ValueError(f"{word[:64]!r} {EXAMPLE}")
    if not whom or (EVERYBODY in whom and len(whom) > 1):
        raise ValueError(f"{shlex.join(words)[:64]!r} {EXAMPLE}")
    whom.pop(EVERYBODY, None)
    return {**whom, "tools": tools}


def _headers(value: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _lines(value):
        name, colon, text = line.partition(":")
        if not colon or name.strip() in found:
            raise ValueError(f"{line[:64]!r} must be like x-team: research, and each header there once")
        found[name.strip()] = text.strip()
    return found


def _bounds(value: object) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in [word for line in _lines(value) for word in shlex.split(line)]:
        tool, equals, most = word.rpartition("=")
        if not equals or tool in found:
            raise ValueError(f"{word[:64]!r} must be like search=4, and each tool there once")
        found[tool] = whole_number(most)
    return found


TypedGrants = Annotated[list[GrantBody], Field(max_length=MAX_GRANTS), BeforeValidator(_grants)]
TypedHeaders = Annotated[Headers, BeforeValidator(_headers)]
TypedBounds = Annotated[dict[ToolName, InFlight], Field(max_length=MAX_TOOLS), BeforeValidator(_bounds)]

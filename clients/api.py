"""Which provider's API a path belongs to.  A client reads errors and headers in its own provider's shape only.

Decides how a refusal looks, never whether there is one: what a path may do is not here.  The refusals of the meter and
those of Envoy itself go by the same patterns (envoy/lua/client_error.lua, tollkeeper/envoy/local_reply.py).
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Api(StrEnum):
    """Families whose clients read errors differently.  OPENAI is the default: most servers speak it."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    OLLAMA = "ollama"
    COHERE = "cohere"
    BEDROCK = "bedrock"
    MCP = "mcp"


# What a path in small letters has at its end, query left out; one that none matches is OpenAI's.  A path matches one at
# most.  RE2's syntax too, which is Envoy's.
PATTERNS: Mapping[Api, str] = MappingProxyType(
    {
        Api.ANTHROPIC: "/v1/messages(/.*)?$",
        Api.GEMINI: "/(models|tunedmodels|batches)/[^/]+:[a-z]+/*$",
        Api.OLLAMA: "/api/[a-z]+/*$",
        Api.COHERE: "/v2/(chat|embed|rerank|classify)/*$",
        Api.MCP: "^/mcp/",
        Api.BEDROCK: "/model/[^/]+/(converse|invoke|count-tokens)[a-z-]*/*$",
    }
)
_COMPILED = tuple((api, re.compile(pattern)) for api, pattern in PATTERNS.items())


def api_of(path: str) -> Api:
    """`path` as Envoy gives it; a query is ignored."""
    path = path.partition("?")[0].lower()
    if path.endswith(("/completions", "/responses", "/embeddings")):  # most requests: no pattern is tried
        return Api.OPENAI
    return next((api for api, pattern in _COMPILED if pattern.search(path)), Api.OPENAI)

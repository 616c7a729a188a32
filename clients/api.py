"""Which provider's API a path belongs to.  A client reads errors and headers in its own provider's shape only.

Decides how a refusal looks, never whether there is one: what a path may do is not here.
"""

import re
from enum import StrEnum


class Api(StrEnum):
    """Families whose clients read errors differently.  OPENAI is the default: most servers speak it."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    OLLAMA = "ollama"
    COHERE = "cohere"
    BEDROCK = "bedrock"


# The first that is found in a path decides.  In the order of how often they are asked for.
_PATTERNS = (
    (Api.ANTHROPIC, re.compile(r"/v1/messages(/|$)")),
    (Api.GEMINI, re.compile(r"/(models|tunedmodels)/[^/]+:[a-z]+$")),
    (Api.OLLAMA, re.compile(r"/api/(chat|generate|embed|embeddings|tags|show|ps|version)$")),
    (Api.COHERE, re.compile(r"/v2/(chat|embed|rerank|classify)$")),
    (Api.BEDROCK, re.compile(r"/model/[^/]+/(converse|converse-stream|invoke|invoke-with-response-stream)$")),
)  # fmt: skip


def api_of(path: str) -> Api:
    """`path` as Envoy gives it; a query is ignored."""
    path = path.partition("?")[0].rstrip("/").lower()
    if path.endswith(("/completions", "/responses", "/embeddings")):  # most requests: no pattern is tried
        return Api.OPENAI
    return next((api for api, pattern in _PATTERNS if pattern.search(path)), Api.OPENAI)

"""Pages from templates: everything is escaped, nothing comes from another host, nothing runs but our own script."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from admin.commands.refusals import Reason, Refusal
from admin.console import words
from admin.console.cookies import PREFIX
from admin.gate.surface import STATUSES

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
# `same-origin`, not `no-referrer`: with that browsers send `Origin: null` with forms.
HEADERS = {
    "content-security-policy": POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
FOREVER = "public, max-age=31536000, immutable"  # for addresses that change with their content
TITLES = {
    Reason.FORBIDDEN: "Not allowed",
    Reason.NOT_FOUND: "Not found",
    Reason.STALE: "Changed meanwhile",
    Reason.THROTTLED: "Too many attempts",
    Reason.UNAVAILABLE: "No answer",
    Reason.INTERNAL: "That went wrong",
}


def _asset(name: str) -> tuple[bytes, str]:
    data = (HERE / "static" / name).read_bytes()
    return data, f"{PREFIX}/static/{hashlib.sha256(data).hexdigest()[:12]}/{name}"


KINDS = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}
ASSETS = {name: _asset(name) for name in KINDS}
BY_PATH = {
    path: Response(data, 200, {**HEADERS, "cache-control": FOREVER}, KINDS[name])
    for name, (data, path) in ASSETS.items()
}

# The links in the head of each page: page name, address, text, and the resource that one must be allowed to read.
SECTIONS = (
    ("overview", "", "Overview", "usage"),
    ("tenants", "/tenants", "Tenants", "tenant"),
    ("usage", "/usage", "Usage", "usage"),
    ("requests", "/requests", "Requests", "usage"),
    ("models", "/models", "Models", "model"),
    ("mcp-servers", "/mcp-servers", "MCP", "mcp_server"),
    ("groups", "/groups", "Groups", "group"),
    ("policies", "/policies", "Policies", "policy"),
    ("organizations", "/organizations", "Organizations", "organization"),
    ("webhooks", "/webhooks", "Webhooks", "webhook"),
    ("audit", "/audit", "Audit", "audit"),
)

environment = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
environment.filters |= words.FILTERS
environment.globals |= {
    "assets": {name: path for name, (_, path) in ASSETS.items()},
    "now": lambda: datetime.now(UTC),
    "PREFIX": PREFIX,
    "sections": SECTIONS,
}


def html(template: str, status: int = 200, **shown: Any) -> Response:
    return HTMLResponse(environment.get_template(template).render(shown), status, HEADERS)


def refused(refusal: Refusal, request_id: str, visit: object = None) -> Response:
    """A page that says why; as a Surface's `render` without a visit."""
    title = TITLES.get(refusal.reason, "That is not possible")
    answer = html(
        "refused.html", STATUSES[refusal.reason], visit=visit, refusal=refusal, request_id=request_id, title=title
    )
    if refusal.retry_seconds is not None:
        answer.headers["retry-after"] = str(refusal.retry_seconds)
    return answer

"""MCP servers on the console: registered, granted, changed, and taken out."""

import html
import re

import pytest

from tests.admin.conftest import Admin
from tests.console.conftest import Visitor, text_of

NEW = "/console/mcp-servers/new"
FIELDS = {"name": "search", "url": "http://10.0.0.1:8000/mcp", "enabled": "true"}
LINES = re.compile(r'<textarea id="(\w+)"[^>]*>(.*?)</textarea>', re.DOTALL)
NASTY = "<svg onload=alert(1)>"


def test_a_server_is_registered_granted_changed_and_taken_out(owner: Visitor, admin: Admin) -> None:
    assert "No MCP server is registered" in text_of(owner.get("/console/mcp-servers"))
    tenant = admin.tenant("granted")["id"]
    grants = f"tenant={tenant} tool=search 'tool=with a space'\neverybody tools=none"
    more = {"headers": "x-team: ml: a", "tools_in_flight": "search=4\n'with a space=1k'", "max_in_flight": "20"}
    sent = {**FIELDS, **more, "grants": grants, "endpoints": "http://10.0.0.2:8000 weight=3", "description": NASTY}
    done = owner.send(NEW, **sent, credential="file:own")
    assert done.headers["location"] == "/console/mcp-servers?done=server-saved"
    (server,) = admin.http.get("/mcp-servers").json()["mcp_servers"]
    assert server["grants"] == [
        {"tenant": tenant, "key": None, "tools": ["search", "with a space"]},
        {"tenant": None, "key": None, "tools": []},
    ]
    assert (server["headers"], server["credential"]) == ({"x-team": "ml: a"}, "file:own")
    assert (server["max_in_flight"], server["tools_in_flight"]) == (20, {"search": 4, "with a space": 1000})
    assert [(each["url"], each["weight"]) for each in server["endpoints"]] == [("http://10.0.0.2:8000", 3)]

    page = f"/console/mcp-servers/{server['id']}"
    shown, listed = owner.get(page), owner.get("/console/mcp-servers")
    assert NASTY not in shown.text + listed.text
    assert f"tenant={tenant} tool=search" in text_of(listed)
    lines = {name: html.unescape(text) for name, text in LINES.findall(shown.text)}
    assert lines.keys() == {"grants", "tools_in_flight", "endpoints", "headers"}
    assert owner.send(page, **{**sent, **lines, "credential": "file:own", "max_in_flight": "30"}).status_code == 303
    changed = admin.http.get(f"/mcp-servers/{server['id']}").json()
    assert {name for name in server if changed[name] != server[name]} - {"updated_at"} == {"max_in_flight"}
    stale = owner.hidden(page)
    assert owner.send(page, **FIELDS).status_code == 303
    assert admin.http.get(f"/mcp-servers/{server['id']}").json()["grants"] == []
    assert "nobody" in text_of(owner.get("/console/mcp-servers"))
    assert owner.http.post(page, data={**stale, **sent}).status_code == 412
    gone = owner.send(page, f"{page}/delete")
    assert gone.headers["location"] == "/console/mcp-servers?done=server-deleted"
    assert (owner.get(page).status_code, admin.http.get("/mcp-servers").json()["mcp_servers"]) == (404, [])


WRONG = [
    ({"name": "a/b"}, "match pattern"),
    ({"name": ""}, "required"),
    ({"url": "nowhere"}, "must begin with http"),
    ({"url": "http://169.254.169.254/mcp"}, "link-local"),
    ({"url": "http://10.0.0.1", "endpoints": "http://metadata.google.internal"}, "keeps the credentials"),
    ({"grants": "tool=search"}, "or everybody"),  # whom it is for was left out
    ({"grants": "everybody tenant=acme"}, "or everybody"),
    ({"grants": "tenants=acme"}, "or everybody"),
    ({"grants": "tenant=acme tenant=other"}, "or everybody"),
    ({"grants": "tenant=nobody"}, "no tenant or key"),
    ({"grants": "everybody 'tool=a"}, "no closing quotation"),
    ({"grants": "everybody tool=a\u0007"}, "control characters"),
    ({"grants": "everybody tool=a tool=a"}, "there twice"),
    ({"headers": "authorization: Bearer x"}, "looks like a credential"),
    ({"headers": "x-team"}, "must be like x-team: research"),
    ({"tools_in_flight": "search"}, "must be like search=4"),
    ({"tools_in_flight": "search=0"}, "greater than or equal to 1"),
    ({"credential": "sk-1234"}, "the secret itself is not kept here"),
    ({"max_in_flight": "many"}, "must be a number"),
]


@pytest.mark.parametrize(("fields", "says"), WRONG, ids=str)
def test_what_is_wrong_is_said_and_nothing_is_made(
    owner: Visitor, admin: Admin, fields: dict[str, str], says: str
) -> None:
    answer = owner.send(NEW, **{**FIELDS, **fields})
    assert (answer.status_code, says in text_of(answer).replace("&#39;", "'").lower()) == (422, True), text_of(answer)
    assert admin.http.get("/mcp-servers").json()["mcp_servers"] == []

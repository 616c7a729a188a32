"""All commands of the management API, put on the root.  A noun is a line in this list."""

import typer

from tollkeeper.cli.api import add_api
from tollkeeper.cli.completion import add_completion
from tollkeeper.cli.explain import add_explain
from tollkeeper.cli.nouns import (
    audit,
    budgets,
    fairshare,
    groups,
    keys,
    limits,
    mcp_servers,
    models,
    policies,
    portal,
    registries,
    runtime,
    tenants,
    usage,
    users,
    webhooks,
)

PANEL = "Management API"
NOUNS = {
    "tenant": tenants.app,
    "key": keys.app,
    "user": users.app,
    "model": models.app,
    "group": groups.app,
    "fairshare": fairshare.app,
    "limit": limits.app,
    "budget": budgets.app,
    "policy": policies.app,
    "mcp-server": mcp_servers.app,
    "webhook": webhooks.app,
    "usage": usage.app,
    "audit": audit.app,
    "runtime": runtime.app,
    "organization": portal.organizations,
    "portal": portal.portal,
    "admin-token": registries.admin_tokens,
}


def add_to(root: typer.Typer) -> None:
    """Adds every noun, `explain`, `api` and `completion`."""
    for name, app in NOUNS.items():
        root.add_typer(app, name=name, rich_help_panel=PANEL)
    add_explain(root, PANEL)
    add_api(root, PANEL)
    add_completion(root)

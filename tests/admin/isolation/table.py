"""What the people of an organization may do by each route of every control plane, and of the console: a row for each.

A new route needs a row here, or test_isolation.py fails.  What is under /console test_isolation_of_pages.py tries.
"""

from enum import StrEnum


class For(StrEnum):
    """Whom a route is for, of an organization's people.  Whatever it is, it is about their own organization only."""

    ANYBODY = "anybody"  # also who is not signed in
    ALL = "all"
    WRITERS = "writers"  # owners and members
    OWNERS = "owners"
    OPERATORS = "operators"  # none of them


MAY = {
    For.ANYBODY: {"owner", "member", "viewer"},
    For.ALL: {"owner", "member", "viewer"},
    For.WRITERS: {"owner", "member"},
    For.OWNERS: {"owner"},
    For.OPERATORS: set[str](),
}

TABLE = {
    For.ANYBODY: """
        GET /api/v1/health
        POST /auth/login
        POST /auth/refresh
        POST /auth/accept
        GET /console/sign-in
        POST /console/sign-in
        GET /console/accept
        POST /console/accept
    """,
    For.ALL: """
        GET /api/v1/openapi.json
        GET /api/v1/tenants
        GET /api/v1/tenants/{id}
        GET /api/v1/tenants/{id}/keys
        GET /api/v1/tenants/{id}/users
        GET /api/v1/tenants/{id}/users/{user_id}
        GET /api/v1/tenants/{id}/limits
        GET /api/v1/tenants/{id}/statement
        GET /api/v1/tenants/{id}/budgets
        GET /api/v1/keys
        GET /api/v1/keys/{id}
        GET /api/v1/limits
        GET /api/v1/limits/{id}
        GET /api/v1/organizations
        GET /api/v1/organizations/{id}
        GET /api/v1/usage
        GET /api/v1/usage/keys
        GET /api/v1/usage/models
        GET /api/v1/usage/series
        GET /api/v1/usage/series/tenants
        GET /api/v1/usage/cache
        GET /api/v1/usage/export
        GET /api/v1/costs
        GET /api/v1/requests/{id}
        GET /v1/organization/projects/{project_id}/spend_limit
        POST /auth/logout
        POST /auth/password
        GET /tenants
        GET /tenants/{id}
        GET /tenants/{id}/keys
        GET /dashboard/org/summary
        GET /dashboard/tenants/{id}/usage
        GET /organization
        GET /teams
        GET /teams/{team_id}
        GET /teams/{team_id}/keys
        GET /teams/{team_id}/usage
        GET /users/{user_id}/keys
        GET /users/{user_id}/usage
        POST /console/sign-out
        GET /console
        GET /console/live
        GET /console/find
        GET /console/tenants
        GET /console/tenants/{id}
        GET /console/tenants/{id}/statement
        GET /console/tenants/{id}/budgets
        GET /console/tenants/{id}/budgets/{name}
        GET /console/keys/{id}
        GET /console/limits/{id}
        GET /console/usage
        GET /console/usage/groups
        GET /console/usage.csv
        GET /console/requests
        GET /console/organizations
        GET /console/organizations/{id}
    """,
    For.WRITERS: """
        POST /api/v1/tenants
        PATCH /api/v1/tenants/{id}
        DELETE /api/v1/tenants/{id}
        POST /api/v1/tenants/{id}/keys
        PUT /api/v1/tenants/{id}/users/{user_id}
        DELETE /api/v1/tenants/{id}/users/{user_id}
        PATCH /api/v1/keys/{id}
        DELETE /api/v1/keys/{id}
        PUT /api/v1/keys/{id}/disabled
        POST /api/v1/keys/{id}/rotate
        POST /tenants
        PATCH /tenants/{id}
        DELETE /tenants/{id}
        POST /tenants/{id}/keys
        DELETE /tenants/{id}/keys/{key_id}
        DELETE /teams/{team_id}
        DELETE /delete_key
        POST /admin/tenants
        PATCH /teams/{team_id}
        POST /teams/{team_id}/keys
        GET /console/tenants/new
        GET /console/tenants/{id}/edit
        GET /console/tenants/{id}/keys/new
        GET /console/keys/{id}/edit
        GET /console/keys/{id}/revoke
        POST /console/tenants/new
        POST /console/tenants/{id}/edit
        GET /console/tenants/{id}/delete
        POST /console/tenants/{id}/delete
        POST /console/tenants/{id}/keys/new
        POST /console/keys/{id}/edit
        POST /console/keys/{id}/disabled
        POST /console/keys/{id}/rotate
        POST /console/keys/{id}/revoke
    """,
    For.OWNERS: """
        GET /api/v1/audit
        GET /api/v1/accounts
        GET /api/v1/accounts/{id}
        PATCH /api/v1/accounts/{id}
        DELETE /api/v1/accounts/{id}
        GET /organization/accounts
        PATCH /organization/accounts/{id}
        DELETE /organization/accounts/{id}
        GET /organization/invitations
        POST /organization/invitations
        DELETE /organization/invitations/{id}
        POST /api/v1/webhooks
        GET /api/v1/webhooks
        GET /api/v1/webhooks/{id}
        PATCH /api/v1/webhooks/{id}
        DELETE /api/v1/webhooks/{id}
        POST /api/v1/webhooks/{id}/rotate
        POST /api/v1/webhooks/{id}/test
        GET /api/v1/webhooks/{id}/deliveries
        GET /api/v1/webhooks/{id}/deliveries/{delivery}
        POST /api/v1/webhooks/{id}/deliveries/{delivery}/redeliver
        GET /v1/organization/projects/{project_id}/spend_alerts
        POST /v1/organization/projects/{project_id}/spend_alerts
        GET /v1/organization/projects/{project_id}/spend_alerts/{alert_id}
        POST /v1/organization/projects/{project_id}/spend_alerts/{alert_id}
        DELETE /v1/organization/projects/{project_id}/spend_alerts/{alert_id}
        GET /console/webhooks
        GET /console/webhooks/new
        POST /console/webhooks/new
        GET /console/webhooks/{id}
        POST /console/webhooks/{id}
        POST /console/webhooks/{id}/rotate
        POST /console/webhooks/{id}/test
        POST /console/webhooks/{id}/deliveries/{delivery}/redeliver
        POST /console/webhooks/{id}/delete
        GET /console/audit
        POST /console/organizations/{id}/invitations
        POST /console/organizations/{id}/invitations/{invitation}/withdraw
        GET /console/organizations/{id}/accounts/{account}
        POST /console/organizations/{id}/accounts/{account}
        POST /console/organizations/{id}/accounts/{account}/delete
    """,
    For.OPERATORS: """
        PATCH /api/v1/tenants/{id}/weight
        PUT /api/v1/tenants/{id}/quota
        PATCH /api/v1/tenants/{id}/group
        GET /api/v1/fairshare/groups
        POST /api/v1/fairshare/groups
        GET /api/v1/fairshare/groups/{name}
        DELETE /api/v1/fairshare/groups/{name}
        PATCH /api/v1/fairshare/groups/{name}/weight
        GET /api/v1/fairshare/live
        POST /api/v1/models
        GET /api/v1/models
        GET /api/v1/models/{id}
        PUT /api/v1/models/{id}
        DELETE /api/v1/models/{id}
        GET /api/v1/models/{id}/prices
        PUT /api/v1/models/{id}/cache
        POST /api/v1/mcp-servers
        GET /api/v1/mcp-servers
        GET /api/v1/mcp-servers/{id}
        PUT /api/v1/mcp-servers/{id}
        DELETE /api/v1/mcp-servers/{id}
        GET /api/v1/policies
        POST /api/v1/policies
        GET /api/v1/policies/{name}
        PUT /api/v1/policies/{name}
        DELETE /api/v1/policies/{name}
        POST /api/v1/limits
        PATCH /api/v1/limits/{id}
        DELETE /api/v1/limits/{id}
        POST /api/v1/tenants/{id}/budgets/reset
        POST /api/v1/tenants/{id}/budgets/adjust
        GET /api/v1/budgets/audit
        POST /api/v1/budgets/mend
        GET /api/v1/capacity
        PUT /api/v1/capacity
        POST /api/v1/organizations
        PATCH /api/v1/organizations/{id}
        DELETE /api/v1/organizations/{id}
        POST /api/v1/accounts
        GET /api/v1/admin-tokens
        POST /api/v1/admin-tokens
        GET /api/v1/admin-tokens/{id}
        PATCH /api/v1/admin-tokens/{id}
        DELETE /api/v1/admin-tokens/{id}
        GET /api/v1/stats
        POST /v1/organization/projects/{project_id}/spend_limit
        DELETE /v1/organization/projects/{project_id}/spend_limit
        POST /teams
        GET /models
        GET /v1/models
        POST /console/tenants/{id}/budgets/{name}/reset
        POST /console/tenants/{id}/budgets/{name}/adjust
        GET /console/tenants/{id}/limits/new
        POST /console/tenants/{id}/limits/new
        GET /console/groups/{name}/limits
        POST /console/groups/{name}/limits
        POST /console/limits/{id}
        POST /console/limits/{id}/delete
        GET /console/models
        GET /console/models/new
        POST /console/models/new
        GET /console/models/{id}
        POST /console/models/{id}
        POST /console/models/{id}/delete
        GET /console/models/{id}/tiers
        POST /console/models/{id}/tiers
        GET /console/models/{id}/tiers/{number}
        POST /console/models/{id}/tiers/{number}
        POST /console/models/{id}/tiers/{number}/delete
        GET /console/models/{id}/cache
        POST /console/models/{id}/cache
        GET /console/mcp-servers
        GET /console/mcp-servers/new
        POST /console/mcp-servers/new
        GET /console/mcp-servers/{id}
        POST /console/mcp-servers/{id}
        POST /console/mcp-servers/{id}/delete
        GET /console/groups
        GET /console/groups/live
        POST /console/groups
        GET /console/groups/{name}
        POST /console/groups/{name}
        POST /console/groups/{name}/delete
        GET /console/capacity
        GET /console/capacity/live
        POST /console/capacity
        GET /console/policies
        POST /console/policies
        GET /console/policies/{name}
        POST /console/policies/{name}
        POST /console/policies/{name}/delete
        GET /console/policies/{name}/limits
        POST /console/policies/{name}/limits
        GET /console/policies/{name}/limits/{number}
        POST /console/policies/{name}/limits/{number}
        POST /console/policies/{name}/limits/{number}/delete
        POST /console/organizations
        POST /console/organizations/{id}
        POST /console/organizations/{id}/delete
    """,
}
ROWS = {line.strip(): whom for whom, lines in TABLE.items() for line in lines.strip().splitlines()}
PAGES = {route: whom for route, whom in ROWS.items() if " /console" in route}
API = {route: whom for route, whom in ROWS.items() if route not in PAGES}

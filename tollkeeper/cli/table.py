"""Every command of `tollkeeper`: its name, where it is, and what `tollkeeper --help` says of it.

Nothing is imported from here but how they are loaded: each is when it is named.
"""

from tollkeeper.cli.lazy import Entry

PANEL = "Management API"
OURS = "tollkeeper"
# By name: what is in tollkeeper.cli.nouns, and its help.
NOUNS = {
    "tenant": ("tenants:app", "Tenants: owners of keys, budgets and a weight."),
    "key": ("keys:app", "Keys: what clients authenticate with.  A secret is shown once, when it is created."),
    "user": ("users:app", "Users: the people within a tenant, and their limits."),
    "model": ("models:app", "Models: which ones clients may use, and the price of a million tokens."),
    "group": ("groups:app", "Fairshare groups: tenants that share a weight."),
    "fairshare": ("fairshare:app", "How capacity is shared among tenants."),
    "limit": ("limits:app", "Limits: how much may be used of what, in which window.  The strictest one binds."),
    "budget": ("budgets:app", "Budgets: how much of a tenant's limits is spent and left now."),
    "policy": ("policies:app", "Named policies: sets of limits that tenants refer to."),
    "mcp-server": ("mcp_servers:app", "MCP servers: where they are, and who may call which of their tools."),
    "webhook": ("webhooks:app", "Webhooks: endpoints that are told of budgets, refusals and keys."),
    "usage": ("usage:app", "Usage: what was used, over time, and what it cost."),
    "audit": ("audit:app", "The audit log: who changed what, when, and from where."),
    "runtime": ("runtime:app", "What the sidecars are doing now, and how much they may do."),
    "organization": ("portal:organizations", "Organizations, whose people sign in."),
    "portal": ("portal:portal", "The portal: who signs in."),
    "admin-token": ("registries:admin_tokens", "Admin tokens: who may use the management API."),
}

COMMANDS = (
    Entry(
        "restore",
        f"{OURS}.backup.commands:restore_command",
        "Bring a backup back into an empty database, then its schema up to this version.",
    ),
    Entry(
        "routes",
        f"{OURS}.cli.routes:routes_command",
        "Show which routes are served, what each is, and whose table it is from.",
    ),
    Entry(
        "learned",
        f"{OURS}.cli.learned:learned_command",
        "Show by what estimates of each model's input are corrected, and how fast each model writes.",
    ),
    Entry(
        "doctor",
        f"{OURS}.doctor.command:doctor_command",
        "Look at this deployment, and say what is wrong and what to do.",
    ),
    Entry(
        "forget-usage",
        f"{OURS}.retention:forget_usage_command",
        "Drop old months of the ledger; what is summed up of them stays in reports, which are exact to the hour then.",
    ),
    Entry(
        "up",
        f"{OURS}.cli.processes:up",
        "Run everything on this machine: Postgres, Valkey, a stub model, the sidecar, the management API, Envoy.",
    ),
    Entry(
        "sidecar",
        f"{OURS}.cli.processes:sidecar",
        "Run the sidecar: authz, ratelimit and accesslog, in supervised processes with one metrics endpoint.",
    ),
    Entry(
        "admin",
        f"{OURS}.cli.processes:admin",
        "Run the management API, and the other control planes beside it.",
    ),
    Entry(
        "migrate",
        f"{OURS}.cli.processes:migrate",
        "Bring the database schema up to this version, and that of a ledger on ClickHouse.",
    ),
    Entry(
        "stub-model",
        f"{OURS}.cli.stub_model:stub_model",
        "Serve mock-model, for tests and demos: OpenAI and Anthropic protocols, with exact usage.",
    ),
    Entry(
        "completion",
        f"{OURS}.cli.completion:completion",
        'Print a completion script: eval "$(tollkeeper completion bash)".',
    ),
    Entry("envoy", f"{OURS}.envoy.commands:envoy_app", "Envoy's side: the configuration that asks Tollkeeper."),
    Entry("backup", f"{OURS}.backup.commands:backup_app", "Write a backup of Postgres, or check one."),
    Entry(
        "import",
        f"{OURS}.imports.commands:import_app",
        "Take over tenants, keys and limits from another system; keys work on. What is there already stays as it is.",
    ),
    Entry(
        "explain",
        f"{OURS}.cli.explain:explain",
        "Explain a request that ended: what was decided, what it used, and its bill, from the prices of its time; or"
        " why it was refused, whose key it was, and what to do.",
        PANEL,
    ),
    Entry("api", f"{OURS}.cli.api:api", "Make any request to the management API, and print the answer as JSON.", PANEL),
    *(Entry(name, f"{OURS}.cli.nouns.{source}", text, PANEL) for name, (source, text) in NOUNS.items()),
)

"""`tollkeeper tenant …`."""

from dataclasses import replace

from tollkeeper.cli.field import NEW_NAME, Field
from tollkeeper.cli.files.statement import add_statement
from tollkeeper.cli.kinds import AMOUNT, NUMBER, or_none
from tollkeeper.cli.resource import Resource, searched
from tollkeeper.cli.verbs import Noun

TENANTS = Resource(
    noun="tenant",
    path="/tenants",
    item=Field("TENANT", help="The tenant's id or name.", name="id"),
    named=searched,
    columns=("id", "name", "status", "fairshare_group", "weight", "tokens_per_minute", "max_in_flight", "policy"),
    fields=(
        Field("NAME", help="A unique name.", only="create"),
        NEW_NAME,
        Field("--weight", NUMBER, "Share among the tenants of its fairshare group."),
        Field("--tokens-per-minute", AMOUNT, "Maximum tokens per minute."),
        Field("--requests-per-minute", AMOUNT, "Maximum requests per minute."),
        Field("--max-in-flight", AMOUNT, "Maximum requests in flight."),
        Field("--group", help="Fairshare group.", name="fairshare_group"),
        Field("--policy", or_none("NAME"), "Named policy, whose limits hold for the tenant too."),
        Field("--display-name", help="What people call it; need not be unique."),
        Field("--description", help="A text for people."),
    ),
)
IN_TENANT = replace(TENANTS.item, convert=TENANTS.id_of)  # as the first argument of what belongs to a tenant

app = Noun(TENANTS)
app.add_list("List tenants, oldest first.")
app.add_get("Show a tenant.")
app.add_create("Create a tenant.")
app.add_update("Change the given fields; `none` lifts a limit.")
app.add_action(
    "suspend",
    "Refuse every key of a tenant, until it is activated again.",
    method="PATCH",
    sets={"status": "suspended"},
)
app.add_action("activate", "Let a suspended tenant's keys through again.", method="PATCH", sets={"status": "active"})
add_statement(app, IN_TENANT)
app.add_delete(
    "Delete a tenant with its users, keys and limits.  Its usage stays in the ledger.",
    what="the tenant {name!r} ({id}) with all of its keys",
)

"""`tollkeeper tenant …`."""

from dataclasses import replace

from tollkeeper.cli.command import command, noun
from tollkeeper.cli.field import Field, Given
from tollkeeper.cli.kinds import AMOUNT, NUMBER, or_none
from tollkeeper.cli.resource import Resource, searched
from tollkeeper.cli.session import Session
from tollkeeper.cli.verbs import add_create, add_delete, add_get, add_list, add_update, change

TENANTS = Resource(
    noun="tenant",
    path="/tenants",
    item=Field("TENANT", help="Its id or name.", name="id"),
    named=searched,
    columns=("id", "name", "status", "fairshare_group", "weight", "tokens_per_minute", "max_in_flight", "policy"),
    fields=(
        Field("NAME", help="Must be unique.", only="create"),
        Field("--name", help="A new name.", only="update"),
        Field("--weight", NUMBER, "Its share among those of its group."),
        Field("--tokens-per-minute", AMOUNT),
        Field("--requests-per-minute", AMOUNT),
        Field("--max-in-flight", AMOUNT),
        Field("--group", help="Its fairshare group.", name="fairshare_group"),
        Field("--policy", or_none("NAME"), "A named policy."),
    ),
)
# For what belongs to a tenant: first in a path, or a field.
IN_TENANT = replace(TENANTS.item, convert=TENANTS.id_of)
OF_TENANT = Field("--tenant", name="tenant_id", convert=TENANTS.id_of)

app = noun("Tenants: who owns keys, budgets and a weight.")
add_list(app, TENANTS, "List tenants, oldest first.")
add_get(app, TENANTS, "Show a tenant.")
add_create(app, TENANTS, "Create a tenant.")
add_update(app, TENANTS, "Change what is given; `none` lifts a limit.")


@command(app, "suspend", TENANTS.item)
def suspend_tenant(session: Session, given: Given) -> None:
    """Refuse every key of a tenant, until it is activated again."""
    change(session, TENANTS, given, {"status": "suspended"})


@command(app, "activate", TENANTS.item)
def activate_tenant(session: Session, given: Given) -> None:
    """Let a suspended tenant's keys through again."""
    change(session, TENANTS, given, {"status": "active"})


add_delete(
    app,
    TENANTS,
    "Delete a tenant with its users, keys and limits.  Its usage stays in the ledger.",
    "the tenant {name!r} ({id}) with all of its keys",
)

"""`tollkeeper policy …`."""

from tollkeeper.cli.command import noun
from tollkeeper.cli.field import Field
from tollkeeper.cli.resource import Resource
from tollkeeper.cli.verbs import add_create, add_delete, add_get, add_list, add_update

POLICIES = Resource(
    noun="policy",
    path="/policies",
    item=Field("POLICY", help="Its name.", name="name"),
    columns=("name", "description", "tenants", "created_at", "updated_at"),
    fields=(
        Field("NAME", help="Must be unique.", only="create"),
        Field("--description", help="For people."),
    ),
)

app = noun("Named policies: sets of limits that tenants refer to.")
add_list(app, POLICIES, "List policies by name.")
add_get(app, POLICIES, "Show a policy with its limits.")
add_create(app, POLICIES, "Create a policy; its limits are a list in --file, or --set limits='[…]'.")
add_update(app, POLICIES, "Change what is given, for every tenant that refers to it.")
add_delete(app, POLICIES, "Delete a policy that no tenant refers to.", "the policy {name!r}")

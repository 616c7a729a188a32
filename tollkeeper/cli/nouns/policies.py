"""`tollkeeper policy …`."""

from tollkeeper.cli.field import Field
from tollkeeper.cli.resource import Resource
from tollkeeper.cli.verbs import Noun

POLICIES = Resource(
    noun="policy",
    path="/policies",
    item=Field("POLICY", help="The policy's name.", name="name"),
    columns=("name", "description", "tenants", "created_at", "updated_at"),
    fields=(Field("NAME", help="A unique name.", only="create"), Field("--description", help="A note for people.")),
)

app = Noun(POLICIES)
app.add_list("List policies by name.")
app.add_get("Show a policy with its limits.")
app.add_create("Create a policy; its limits are a list in --file, or --set limits='[…]'.")
app.add_update("Change the given fields, for every tenant that refers to the policy.")
app.add_delete("Delete a policy that no tenant refers to.", what="the policy {name!r}")

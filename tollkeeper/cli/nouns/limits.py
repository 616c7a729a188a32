"""`tollkeeper limit …`."""

from tollkeeper.cli.field import NEW_NAME, Field, Given
from tollkeeper.cli.kinds import ID, QUANTITY, SWITCH
from tollkeeper.cli.nouns.tenants import TENANTS
from tollkeeper.cli.resource import Resource, searched
from tollkeeper.cli.verbs import Noun

SUBJECT = ("id", "name", "scope", "tenant_id", "fairshare_group", "key_id", "user_id", "model")
NARROWEST = {"key_id": "key", "user_id": "user", "model": "model", "fairshare_group": "group", "tenant_id": "tenant"}
TENANT = Field(
    "--tenant", help="Of this tenant, by id or name.", name="tenant_id", only="create", convert=TENANTS.id_of
)
GROUP = Field("--group", help="Of this fairshare group.", name="fairshare_group", only="create")


def _to_api(given: Given) -> Given:
    """The scope follows from what is given: a key, user or model is one of its tenant.  A window is in seconds, or a
    calendar's unit."""
    fields = {name: value for name, value in given.items() if name != "window"}
    if (window := given.get("window")) is not None:
        fields |= {"window_seconds": int(window)} if window.isdecimal() else {"calendar": window}
    scope = next((scope for name, scope in NARROWEST.items() if name in given), None)
    return {"scope": scope} | fields if scope else fields


LIMITS = Resource(
    noun="limit",
    path="/limits",
    item=Field("LIMIT", help="The limit's id or name.", name="id"),
    named=searched,
    columns=(*SUBJECT, "unit", "amount", "kind", "window_seconds", "calendar", "time_zone", "shadow"),
    filters=(TENANT, GROUP),
    to_api=_to_api,
    fields=(
        NEW_NAME,
        Field("--unit", help="tokens, input_tokens, output_tokens, requests or cost.", only="create"),
        Field("--amount", QUANTITY, "Maximum in a window, such as 500k; of cost, such as 12.50."),
        Field("--window", help="minute, hour, day, week, month, or a number of seconds."),
        Field("--scope", help="tenant, user, key, model or group.", only="create"),
        TENANT,
        Field("--key", ID, "Of this key of the tenant.", name="key_id", only="create"),
        Field("--user", ID, "Of this user of the tenant.", name="user_id", only="create"),
        Field("--model", help="Of this model.", only="create"),
        GROUP,
        Field("--name", help="Name of the limit in refusals.", default="a description", only="create"),
        Field("--kind", help="bucket, fixed_window or sliding_window.", only="create"),
        Field("--time-zone", help="Time zone in which days, weeks and months begin."),
        Field("--shadow/--enforced", SWITCH, "Only measure, or enforce."),
    ),
)

app = Noun(LIMITS)
app.add_list("List limits, oldest first.")
app.add_get("Show a limit.")
app.add_create("Create a limit.  Without --scope, it follows from --key, --user, --model, --group or --tenant.")
app.add_update("Change the given fields.  What was spent stays spent.")
app.add_delete("Delete a limit, and forget what was spent of it.", what="the limit {name!r} ({id})")

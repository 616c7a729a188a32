"""`tollkeeper limit …`."""

from dataclasses import replace

from tollkeeper.cli.command import noun
from tollkeeper.cli.field import Field, Given
from tollkeeper.cli.kinds import ID, QUANTITY, SWITCH
from tollkeeper.cli.nouns.tenants import OF_TENANT
from tollkeeper.cli.resource import Resource, searched
from tollkeeper.cli.verbs import add_create, add_delete, add_get, add_list, add_update

SUBJECT = ("id", "name", "scope", "tenant_id", "fairshare_group", "key_id", "user_id", "model")
NARROWEST = {"key_id": "key", "user_id": "user", "model": "model", "fairshare_group": "group", "tenant_id": "tenant"}
TENANT = replace(OF_TENANT, help="The tenant, by id or name.", only="create")
GROUP = Field("--group", help="A fairshare group.", name="fairshare_group", only="create")


def _to_api(given: Given) -> Given:
    """The scope follows from what is given: a key, user or model is one of its tenant.  A window is in seconds, or a
    calendar's unit."""
    fields = {name: value for name, value in given.items() if name != "window"}
    if window := given.get("window"):
        fields |= {"window_seconds": int(window)} if window.isdecimal() else {"calendar": window}
    scope = next((scope for name, scope in NARROWEST.items() if name in given), None)
    return {"scope": scope} | fields if scope else fields


LIMITS = Resource(
    noun="limit",
    path="/limits",
    item=Field("LIMIT", help="Its id or name.", name="id"),
    named=searched,
    columns=(*SUBJECT, "unit", "amount", "kind", "window_seconds", "calendar", "time_zone", "shadow"),
    filters=(TENANT, GROUP),
    to_api=_to_api,
    fields=(
        Field("--name", help="A new name.", only="update"),
        Field("--unit", help="tokens, input_tokens, output_tokens, requests or cost.", only="create"),
        Field("--amount", QUANTITY, "At most so much a window; as 500k, for cost 12.50."),
        Field("--window", help="minute, hour, day, week, month, or a number of seconds."),
        Field("--scope", help="tenant, user, key, model or group.", only="create"),
        TENANT,
        Field("--key", ID, "One of its keys.", name="key_id", only="create"),
        Field("--user", ID, "One of its users.", name="user_id", only="create"),
        Field("--model", help="One model.", only="create"),
        GROUP,
        Field("--name", help="What refusals call it.", default="what it is", only="create"),
        Field("--kind", help="bucket, fixed_window or sliding_window.", only="create"),
        Field("--time-zone", help="In which days, weeks and months begin."),
        Field("--shadow/--enforced", SWITCH, "Whether it is only measured."),
    ),
)

app = noun("Limits: how much of what, in which window.  The strictest binds.")
add_list(app, LIMITS, "List limits, oldest first.")
add_get(app, LIMITS, "Show a limit.")
add_create(app, LIMITS, "Create a limit.  Its scope follows from what it is for, unless given.")
add_update(app, LIMITS, "Change what is given.  What is spent stays spent.")
add_delete(app, LIMITS, "Delete a limit, with what is spent of it.", "the limit {name!r} ({id})")

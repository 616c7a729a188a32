"""Where Envoy sends an admitted request, if not to the default upstream as it came.  Pure.

What is said here is read by `envoy/lua/forward.lua`, and by the script of each model's cluster, as metadata of the
ratelimit filter: no header that a client sent can take its place.
"""

from msgspec.structs import replace

from clients.api import Api
from ratelimit.tenants.screening import Asked, Catalog
from tenancy.resolving.catalog import ModelState
from tenancy.values.lease_id import ENVOY_DIGITS
from tenancy.values.policy import Policy
from tenancy.values.upstream import DEFAULT, chosen, cluster_of

Field = tuple[str, str | int | bool]


def resolved(asked: Asked, policy: Policy, catalog: Catalog, lease_id: str) -> Asked:
    """A request for an alias, as one for a model: the same model each time that it is asked under one id.

    Who may use an alias may have whatever it stands for; who may not, what of it they may use by its own name.  If
    there is none, the request stays one for the alias, and is refused as such."""
    targets, allowed = catalog.targets(asked.model), policy.models_allowed
    if allowed is not None and asked.model in allowed:
        allowed = None
    random = lease_id[-12:-ENVOY_DIGITS]
    pick = int(random, 16) if random.isalnum() else 0
    model = chosen(targets, lambda each: catalog.check(each) is ModelState.KNOWN, allowed, pick)
    return replace(asked, model=model, alias=asked.model) if model else asked


def told_of(asked: Asked, group: str, catalog: Catalog) -> list[Field]:
    """Of a request that runs a model, for Envoy; nothing if it goes to the default upstream as it came.

    `priority` is for servers that order by it what waits in them, the least first, and is in the bodies of OpenAI's
    API alone: the weight of the fairshare group, negated."""
    upstream = catalog.upstream(asked.model)
    if upstream is None and not asked.alias:
        return []
    name, *_ = upstream or DEFAULT
    fields: list[Field] = []
    if upstream is not None and upstream.endpoints:
        fields += [("upstream", cluster_of(asked.model)), ("retries", upstream.retries)]
        if upstream.timeout_seconds:
            fields.append(("timeout_ms", upstream.timeout_seconds * 1000))
    else:
        fields.append(("rename", name or asked.model))
    if asked.route is not None and asked.route.model:
        fields.append(("path_model", asked.route.model))
    if upstream is not None and upstream.send_priority and asked.api is Api.OPENAI:
        fields.append(("priority", -catalog.group_weight(group)))
    return fields


def alias_of(asked: Asked) -> list[Field]:
    return [("alias", asked.alias)] if asked.alias else []

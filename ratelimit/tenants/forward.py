"""Where Envoy sends an admitted request, unless it goes to the default upstream unchanged.  Pure.

`envoy/lua/forward.lua` and the script of each model's cluster read this from the metadata of the ratelimit filter: no
header that a client sent can take its place.
"""

from clients.api import Api
from ratelimit.answer_bytes import Field
from ratelimit.tenants.screening import Asked, Catalog
from tenancy.resolving.catalog import ModelState
from tenancy.values.lease_id import ENVOY_DIGITS
from tenancy.values.policy import Policy
from tenancy.values.upstream import DEFAULT, chosen, cluster_of


def chosen_model(alias: str, policy: Policy, catalog: Catalog, lease_id: str) -> str:
    """The model that a request for an alias gets: always the same one under one lease id.

    A key that may use the alias may have any of its models; another key only those that it may use by name.  "" if
    there are none: then the request stays one for the alias, and is refused as such.
    """
    allowed = policy.models_allowed
    if allowed is not None and alias in allowed:
        allowed = None
    random = lease_id[-12:-ENVOY_DIGITS]
    pick = int(random, 16) if random.isalnum() else 0
    return chosen(catalog.targets(alias), lambda each: catalog.check(each) is ModelState.KNOWN, allowed, pick)


def told_of(asked: Asked, group: str, catalog: Catalog) -> list[Field]:
    """What Envoy is told about a request that runs a model; nothing if it goes to the default upstream unchanged.

    `priority` is for servers that order waiting requests by it, lowest first, and is sent only in bodies of OpenAI's
    API: the weight of the fairshare group, negated.
    """
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

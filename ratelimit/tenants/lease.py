"""What a tenant's lease keeps of its request, so that a request which nobody settles can still be accounted for:
written and read only here.  Pure.

Leases outlive versions: members are only ever added, and absent or unreadable ones are read as empty.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ratelimit.tenants.estimates.estimate import Estimate
from tenancy.values.policy import Policy


class Kept(NamedTuple):
    """What can be read back from a lease."""

    key_id: str
    user_id: str
    end_user_id: str
    model: str
    path: str
    tokens: int
    input_estimate: int
    alias: str = ""
    rpc_method: str = ""
    tool: str = ""

    @staticmethod
    def read(members: Mapping[str, Any]) -> "Kept":
        """Never fails: the lease is gone from the store by now."""
        return Kept(*(_fitting(members.get(name), kind) for name, kind in Kept.__annotations__.items()))


def kept_of_all(policy: Policy) -> dict[str, str]:
    """What the leases of a policy's requests have in common."""
    return {"key_id": policy.key_id, "user_id": policy.user_id}


def kept_of_one(
    estimate: Estimate, end_user_id: str, model: str, path: str, alias: str = "", rpc_method: str = "", tool: str = ""
) -> dict[str, str | int]:
    """The last three only if there is something to say: few requests have them."""
    kept: dict[str, str | int] = {
        "tokens": estimate.tokens,
        "input_estimate": estimate.input_tokens,
        "end_user_id": end_user_id,
        "model": model,
        "path": path,
    }
    if alias:
        kept["alias"] = alias
    if rpc_method:
        kept["rpc_method"], kept["tool"] = rpc_method, tool
    return kept


def _fitting(value: Any, kind: Callable[[], Any]) -> Any:
    return value if type(value) is kind else kind()

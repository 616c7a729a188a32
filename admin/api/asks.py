"""What a request asks for as far as its method and path say it: enough to turn a role away before its body is read."""

from admin.access.permission import Action, Resource, ResourceKind
from admin.api.call import PREFIX

READING = frozenset({"GET", "HEAD", "OPTIONS"})
OWNERS_ONLY = f"{PREFIX}/admin-tokens"
# Any kind that all roles may read, for all other paths: commands know which it is.
OTHERWISE = Resource(ResourceKind.TENANT)


def asks(method: str, path: str) -> tuple[Action, Resource]:
    owners = path == OWNERS_ONLY or path.startswith(f"{OWNERS_ONLY}/")
    resource = Resource(ResourceKind.ADMIN_TOKEN) if owners else OTHERWISE
    return (Action.READ if method in READING else Action.CHANGE), resource

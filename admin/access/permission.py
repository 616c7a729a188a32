"""Who may do what, as values: a principal may take an action on a resource.  The one place that decides it; no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What can be done with a resource."""

    READ = "read"
    CHANGE = "change"


class ResourceKind(StrEnum):
    """Everything that the control plane shows or changes."""

    TENANT = "tenant"
    KEY = "key"
    USER = "user"
    GROUP = "group"
    MODEL = "model"
    MCP_SERVER = "mcp_server"
    POLICY = "policy"
    LIMIT = "limit"
    BUDGET = "budget"
    CAPACITY = "capacity"
    SIDECAR = "sidecar"
    USAGE = "usage"
    AUDIT = "audit"
    ADMIN_TOKEN = "admin_token"
    ORGANIZATION = "organization"
    ACCOUNT = "account"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Resource:
    """What an action is about, and the organization that it belongs to; None: to no organization."""

    kind: ResourceKind
    organization: str | None = None


class Role(StrEnum):
    """Viewers read; operators change everything but who has access; owners that too."""

    OWNER = "owner"
    OPERATOR = "operator"
    VIEWER = "viewer"


EVERYTHING = frozenset(ResourceKind)
OF_OWNERS = frozenset({ResourceKind.ADMIN_TOKEN, ResourceKind.ACCOUNT})
FOR_ALL_ROLES = EVERYTHING - OF_OWNERS
Grants = Mapping[Role, Mapping[Action, frozenset[ResourceKind]]]
GRANTS: Grants = {
    Role.OWNER: {Action.READ: EVERYTHING, Action.CHANGE: EVERYTHING},
    Role.OPERATOR: {Action.READ: FOR_ALL_ROLES, Action.CHANGE: FOR_ALL_ROLES},
    Role.VIEWER: {Action.READ: FOR_ALL_ROLES, Action.CHANGE: frozenset()},
}
# What the people of an organization may do within it.  What bounds their tenants is the operators': they read it.
OWN = frozenset({ResourceKind.TENANT, ResourceKind.KEY, ResourceKind.USER})
SEEN = OWN | {ResourceKind.LIMIT, ResourceKind.BUDGET, ResourceKind.USAGE, ResourceKind.ORGANIZATION}
OF_OWNERS_WITHIN = frozenset({ResourceKind.ACCOUNT, ResourceKind.WEBHOOK})
SEEN_BY_OWNERS = SEEN | OF_OWNERS_WITHIN | {ResourceKind.AUDIT}
GRANTS_WITHIN: Grants = {
    Role.OWNER: {Action.READ: SEEN_BY_OWNERS, Action.CHANGE: OWN | OF_OWNERS_WITHIN},
    Role.OPERATOR: {Action.READ: SEEN, Action.CHANGE: OWN},
    Role.VIEWER: {Action.READ: SEEN, Action.CHANGE: frozenset()},
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller that may use the control plane.  `name` goes into the audit log.

    With an `organization` it may use nothing outside of that; None: the operators of the service, who may use
    everything.
    """

    name: str
    role: Role
    organization: str | None = None

    def may(self, action: Action, resource: Resource) -> bool:
        if self.organization is None:
            return resource.kind in GRANTS[self.role][action]
        return resource.organization == self.organization and resource.kind in GRANTS_WITHIN[self.role][action]

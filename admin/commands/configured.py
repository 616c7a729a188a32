"""What the configuration says that commands and surfaces have to know.  Filled from the settings of the process."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Configured:
    """`default_rate_limit`: requests a minute of tenants that are made through ChatAPI; None: it was not said.
    `portal_hosts`: where the portal says that things are, by the names of its fields."""

    default_rate_limit: int | None = None
    portal_hosts: Mapping[str, str] = field(default_factory=dict)


NOTHING = Configured()

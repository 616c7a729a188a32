"""What an import makes from another system's records, and what it cannot take over.  Values; no I/O.

Ids are derived from those of the other system, so that a second import finds what the first has made.
"""

import hashlib
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tenancy.directory.keys import NewKey
from tenancy.directory.stored_limits import NewLimit
from tenancy.directory.tenants import NewTenant
from tenancy.directory.users import USER_ID, NewUser

TENANT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
MAX_NAME = 200
UNPRINTABLE = re.compile(r"[^ -~\u00a0-\U0010ffff]|[\u2028\u2029\u202a-\u202e]")


class Left(NamedTuple):
    """A record that was not taken over, or not unchanged."""

    what: str
    why: str


@dataclass
class Plan:
    """Users and keys with their tenant's id."""

    tenants: list[NewTenant] = field(default_factory=list)
    users: list[tuple[str, NewUser]] = field(default_factory=list)
    keys: list[tuple[str, NewKey]] = field(default_factory=list)
    limits: list[NewLimit] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    def leave(self, what: str, why: str) -> None:
        self.left.append(Left(printable(what), printable(why)))

    def each(
        self, what: str, rows: Iterable[Mapping[str, Any]], id_of: str, take: Callable[[Mapping[str, Any]], None]
    ) -> None:
        """Takes one record after another; one that cannot be read is left."""
        for row in rows:
            try:
                take(row)
            except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
                self.leave(f"{what} {row.get(id_of)}", f"it cannot be read: {error!r}")


def printable(text: object) -> str:
    """On one line, without what a terminal would obey: these systems let their users choose names."""
    return UNPRINTABLE.sub("?", str(text))[:MAX_NAME]


def tenant_id(system: str, theirs: str) -> str:
    return theirs if TENANT_ID.fullmatch(theirs) else id_of(system, "team", theirs)


def user_id(system: str, theirs: str) -> str:
    return theirs if USER_ID.fullmatch(theirs) else id_of(system, "user", theirs)


def id_of(system: str, kind: str, theirs: str) -> str:
    """An id that is the same each time."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tollkeeper:{system}:{kind}:{theirs}"))


def limit_id(system: str, *whose: str) -> str:
    return "lim_" + hashlib.sha256("\0".join((system, *whose)).encode()).hexdigest()[:16]

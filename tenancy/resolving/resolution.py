"""The result of a lookup.  Values only; no I/O."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from tenancy.values.key_record import KeyRecord

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """The key exists (it may be disabled or expired).  `prepared` was made from the record when it was loaded."""

    record: KeyRecord
    prepared: T


@dataclass(frozen=True, slots=True)
class Unknown:
    """No such key, or it was deleted."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No store could be asked."""


UNKNOWN = Unknown()
UNAVAILABLE = Unavailable()

Resolution = Found[T] | Unknown | Unavailable

"""What a collection of the API is to commands, and how an item of it is found.  Its verbs are in verbs.py."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tollkeeper.cli.client import segment
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.field import Field, Given
from tollkeeper.cli.session import Session

MAX_SCANNED = 10_000
TELLING = ("id", "tenant_id", "fairshare_group", "key_prefix", "created_at")  # of several with one name
Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """`item` is the argument that says which one, by the name of the field that ends its path; people may also give its
    name if `named` finds it, and are told to say `or_else` where that is several.  `path` may hold fields of `within`,
    the arguments that come before.

    `to_api` makes the API's fields of those given, where they differ.  `shown_once` is the secret in the answer to a
    create.
    """

    noun: str
    path: str
    item: Field
    columns: Sequence[str]
    fields: Sequence[Field] = ()
    filters: Sequence[Field] = ()
    within: Sequence[Field] = ()
    named: Callable[[Session, str, str], list[Record]] | None = None
    or_else: str = "an id"
    to_api: Callable[[Given], Given] = dict
    shown_once: str | None = None

    @property
    def route(self) -> str:
        """Of one item, as the API's schema has it."""
        return f"{self.path}/{{{self.item.name}}}"

    def taken_by(self, verb: Literal["create", "update"]) -> list[Field]:
        return [field for field in self.fields if field.only in (None, verb)]

    def find(self, session: Session, given: Given) -> Record:
        """What is known of the item that is meant: the API's answer if it had to be asked which one that is."""
        reference = given[self.item.name]
        if not reference.strip():
            raise self._none_is(reference)
        if self.named is None:
            return given
        try:
            found: Record = session.client.get(f"{self.path}/{segment(reference)}")
        except CommandFailed as failed:
            if failed.code is not Exit.NOT_FOUND:
                raise
        else:
            return found
        matches = self.named(session, self.path, reference)
        if len(matches) > 1:
            raise ambiguous(f"{len(matches)} {self.noun}s are called {reference!r}", matches, self.or_else)
        if not matches:
            raise self._none_is(reference)
        return matches[0]

    def _none_is(self, reference: str) -> CommandFailed:
        return CommandFailed(Exit.NOT_FOUND, f"there is no {self.noun} {reference!r}")

    def id_of(self, session: Session, reference: str) -> str:
        found: str = self.find(session, {self.item.name: reference})["id"]
        return found


def searched(session: Session, path: str, name: str) -> list[Record]:
    """For collections that the API searches by name."""
    return list(session.client.items(path, {"name": name}))


def scanned(session: Session, path: str, name: str) -> list[Record]:
    """For short collections: all of their items are read."""
    items = list(session.client.items(path, most=MAX_SCANNED))
    matches = [item for item in items if item.get("name") == name]
    if not matches and len(items) == MAX_SCANNED:
        raise CommandFailed(Exit.NOT_FOUND, f"{name!r} is not among the first {MAX_SCANNED}: use an id")
    return matches


def ambiguous(said: str, matches: Sequence[Record], or_else: str = "an id") -> CommandFailed:
    """Tells by what they differ."""
    lines = ["  ".join(f"{name} {each[name]}" for name in TELLING if each.get(name)) for each in matches]
    return CommandFailed(Exit.CONFLICT, f"{said}: use {or_else}", [line.removeprefix("id ") for line in lines])


def fill(route: str, values: Mapping[str, Any]) -> str:
    """A route with its `{names}` replaced."""
    return re.sub(r"{(\w+)}", lambda name: segment(values[name[1]]), route)


def besides(route: str, given: Given) -> Given:
    """What is given and is not in the route."""
    return {name: value for name, value in given.items() if f"{{{name}}}" not in route}

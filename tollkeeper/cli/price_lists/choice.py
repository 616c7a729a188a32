"""What of a list is taken over: by default only for models that have no price at all.  Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from tenancy.values.prices import PRICE_FIELDS, TIERS
from tollkeeper.cli.price_lists.entry import PriceList, PriceSet, flat


class Mode(StrEnum):
    """Whose price holds where both have one."""

    KEEP = "keep"  # of a model with prices of its own: none is touched
    FILL = "fill"  # its own stay, missing ones come from the list
    OVERWRITE = "overwrite"  # the list's, all of them


class Row(NamedTuple):
    """One price in which list and registry differ, or a model that is not in the list."""

    model: str
    listed_as: str
    price: str
    registered: str | None
    listed: str | None
    action: str


class Choice(NamedTuple):
    """`change`: the fields to set, none if nothing is to change."""

    rows: list[Row]
    change: PriceSet


def choose(model: Mapping[str, Any], prices: PriceList, mode: Mode, listed_as: str | None = None) -> Choice:
    """For a model as the API shows it.  `listed_as`: its name in the list, else it is looked for by its own."""
    names = [listed_as] if listed_as else [name for name in (model["name"], model.get("upstream_name")) if name]
    found = next((each for name in names if (each := prices.find(name)) is not None), None)
    if found is None:
        return Choice([Row(model["name"], "", "", None, None, "not listed")], {})
    name, listed = found
    own = flat(model)
    change = _change(model, listed, mode) if own else dict(listed)
    after = flat({**{field: model.get(field) for field in (*PRICE_FIELDS, TIERS)}, **change})
    theirs = flat(listed)
    rows = [
        Row(model["name"], name, price, own.get(price), theirs.get(price), _action(own.get(price), after.get(price)))
        for price in dict.fromkeys((*theirs, *own))
        if own.get(price) != theirs.get(price)
    ]
    return Choice(rows, change if after != own else {})


def _change(model: Mapping[str, Any], listed: PriceSet, mode: Mode) -> PriceSet:
    if mode is Mode.KEEP:
        return {}
    if mode is Mode.OVERWRITE:
        return {**dict.fromkeys(PRICE_FIELDS), TIERS: [], **listed}
    return {field: each for field, each in listed.items() if not model.get(field)}


def _action(before: str | None, after: str | None) -> str:
    if before == after:
        return "stays"
    return "set" if before is None else "removed" if after is None else "replaced"

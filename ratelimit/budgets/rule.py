"""A rule: how one budget is counted; and a rule set: the rules that one request must fit, all or none.  Pure; no I/O.

A rule is stored in each lease, because a lease is settled by the rule and prices at its admission, whatever has become
of the rule since.  What a rule is for, and whom it limits, is not known here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from msgspec import msgpack

from ratelimit.budgets.keys import is_budget_key, leases_key, owner_of, part_key

# How spent units come back: steadily, all at the window's end, or as they leave the last window's length.
BUCKET, FIXED, SLIDING = "b", "f", "s"
# Weights and prices are whole millionths, so that sums are exact and the same in Lua.
SCALE = 1_000_000
# What settling charges: nothing (a request stays one), or the plain sum of input and output; else weights.
ONE, PLAIN = 0, 1

# Weights of an input, output, cached and reasoning token; the last two come on top.  A fifth, MONEY, says that the
# weights are prices, and that the whole cost counts in their place if it is known.
Weights = tuple[int, int, int, int] | tuple[int, int, int, int, int]
MONEY = 1
UNKNOWN = -1
PART = "key_id"  # the member of a lease that names its part of the owner's leases; settle.lua knows it too
# The most that one request costs, in the units of rules that count money.  Redis's scripts count in doubles, exactly up
# to 9 * 10^15: a mistyped price must not make a budget inexact for the requests after it.
MOST_COST = 10**14
Counts = int | Weights
Bounds = tuple[int, int, int]  # ms since 1970: where a window of the calendar begins, the next one, the one after that


class Used(NamedTuple):
    """What a request used.  Cached tokens are part of the input, reasoning tokens of the output.  `cost` is in the
    units of rules that count money, at most MOST_COST; UNKNOWN: such rules charge its tokens by their weights."""

    input_tokens: int
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int = UNKNOWN


@dataclass(frozen=True, slots=True)
class Rule:
    """`key` is its budget, which holds `capacity` units.

    `shape`: BUCKET, FIXED or SLIDING, then the window in ms or the calendar's name.  When a rule changes its shape,
    what was spent stays spent.  `bounds` are those of the calendar.  `name` is what a refusal calls the rule.
    `shadow`: it is measured and never refuses.
    """

    key: str
    shape: str
    capacity: int
    counts: Counts = PLAIN
    bounds: Bounds | None = None
    name: str = field(default="", compare=False)  # a lease keeps neither this nor the fields below
    shadow: bool = field(default=False, compare=False)
    window_ms: int = field(init=False, compare=False)  # for a calendar, the length of the window it was made in

    def __post_init__(self) -> None:
        window_ms = int(self.shape[1:]) if self.bounds is None else self.bounds[1] - self.bounds[0]
        object.__setattr__(self, "window_ms", window_ms)

    @property
    def owner(self) -> str:
        return owner_of(self.key)

    def row(self) -> list[Any]:
        """As a lease keeps it: `[key, shape, capacity, counts, bounds…]`."""
        return [self.key, self.shape, self.capacity, self.counts, *(self.bounds or ())]

    @staticmethod
    def of_row(row: Sequence[Any]) -> "Rule":
        """Reads what `row` wrote; ValueError or TypeError for anything else."""
        key, shape, capacity, counts, *bounds = row
        if not (
            isinstance(key, str)
            and isinstance(shape, str)
            and is_budget_key(key)
            and shape[:1] in (BUCKET, FIXED, SLIDING)
        ):
            raise ValueError("not a rule")
        if not isinstance(counts, int):
            input_, output, cached, reasoning, *money = map(int, counts)
            counts = (input_, output, cached, reasoning, MONEY) if money else (input_, output, cached, reasoning)
        if bounds:
            first, second, third = map(int, bounds)
            return Rule(key, shape, int(capacity), counts, (first, second, third))
        return Rule(key, shape, int(capacity), counts)


def dump_rules(rules: Sequence[Rule]) -> str:
    return _dump([rule.row() for rule in rules])


def load_rules(text: str) -> tuple[Rule, ...]:
    """What `dump_rules` wrote; ValueError or TypeError for anything else."""
    return tuple(map(Rule.of_row, json.loads(text)))


class Leases(NamedTuple):
    """What admitted requests hold until they are settled: a lease each, which keeps the members of `keeps`.

    At most `most` at once (None: any number); one more is refused under `name`.  Those that keep the same PART may have
    a bound of their own, which refuses under another name.
    """

    name: str = ""
    most: int | None = None
    keeps: Mapping[str, str] = {}
    most_of_part: int | None = None
    name_of_part: str = ""

    @property
    def least(self) -> int:
        """The tighter bound, 0 without any."""
        return min((most for most in (self.most, self.most_of_part) if most is not None), default=0)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules that a request must fit, with the arguments of the scripts, computed once instead of for each request.

    `leases` None: requests take none, so nothing is ever settled or given back.  `charges` is the rules as JSON, for a
    request that must be charged without a lease.  `keys` and `packed` are what `lua/reserve.lua` is told of it.
    """

    owner: str
    rules: tuple[Rule, ...]
    leases: Leases | None
    charges: str
    keys: tuple[str, ...]
    packed: bytes

    @staticmethod
    def of(owner: str, rules: Sequence[Rule], leases: Leases | None = None) -> "RuleSet":
        """On a cluster, `owner` owns all of the rules' budgets."""
        charges = dump_rules(rules)
        keys = tuple(rule.key for rule in rules)
        return RuleSet(
            owner=owner,
            rules=tuple(rules),
            leases=leases,
            charges=charges,
            keys=keys if leases is None else (*_lease_sets(owner, leases), *keys),
            packed=msgpack.encode((*_bounds(leases), _lease_head(leases, charges), list(map(_told, rules)))),
        )


def _bounds(leases: Leases | None) -> tuple[int | Literal[False], int | Literal[False], str]:
    """The most leases at once, the most of the part, and the member that names the part."""
    if leases is None:
        return False, False, ""
    most = -1 if leases.most is None else leases.most
    if PART not in leases.keeps:
        return most, False, ""
    return most, -1 if leases.most_of_part is None else leases.most_of_part, f'"{PART}":{_dump(leases.keeps[PART])}'


def _lease_head(leases: Leases | None, charges: str) -> str:
    """How each stored lease begins: an open JSON object."""
    head = _dump(leases.keeps if leases else {})[:-1]
    return f'{head}{"," if len(head) > 1 else ""}"budgets":{charges}'


def _told(rule: Rule) -> tuple[str | int, ...]:
    """Shape, capacity, whether it is a shadow, and perhaps the bounds of a calendar."""
    return rule.shape, rule.capacity, rule.shadow, *(rule.bounds or ())


def _lease_sets(owner: str, leases: Leases) -> tuple[str, ...]:
    if PART not in leases.keeps:
        return (leases_key(owner),)
    return leases_key(owner), part_key(owner, leases.keeps[PART])


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))

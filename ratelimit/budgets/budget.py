"""The arithmetic of budgets, all of it.  Pure; `lua/budget.lua` is the same in Lua, and one table of tests holds both.

Whole units and a remainder, no fractions: a double would drift by a rounding error at every step of a busy budget.  A
refilling bucket is exact as long as elapsed ms x capacity stays under 2^53 (Lua's numbers); beyond, one step is off by
less than a millionth of a unit.

A fixed window is full again at its end.  A sliding window counts what was spent in this window and, of the one before,
the part that the last window's length still covers, as if it had been spent evenly.  If it was not, up to about twice
the amount can pass within one window's length at worst (all of it at the end of a window, all at the right time in the
next); for steady traffic the error is a few percent.  In return it costs two numbers, whatever the traffic.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ratelimit.budgets.rule import BUCKET, FIXED, PLAIN, SCALE, SLIDING, Counts, Rule, Used, Weights

NEVER = float("inf")
MOST_WAIT_MS = 10**15  # longest wait that is reported: beyond, Lua's doubles are not exact
PLAIN_WEIGHTS = 4


@dataclass(slots=True)
class Budget:
    """The live state of one rule.  `level` may be below zero (debt), never above `capacity`.

    `carry`: for a bucket, what was refilled beyond the last whole unit, in unit·ms: less than one window.  For a
    sliding window, what was spent in the window before, of which `shade` still counts.  `at_ms`: when it was last
    changed.  `starts_ms` and `ends_ms`: the window that it was opened in; None if it has none, or if the window was
    left as stored.  `changed`: it must be written back.
    """

    level: int
    carry: int
    capacity: int
    at_ms: int
    shape: str
    window_ms: int = 0
    starts_ms: int | None = None
    ends_ms: int = 0
    shade: int = 0
    changed: bool = False

    @property
    def held(self) -> int:
        """What can be taken now."""
        return self.level - self.shade

    def resize(self, capacity: int) -> None:
        """Takes a changed capacity.  What is spent stays spent: `capacity - level` does not change."""
        if capacity != self.capacity:
            self.level += capacity - self.capacity
            self.capacity, self.changed = capacity, True

    def add(self, units: int) -> None:
        """Refunds or, below zero, charges."""
        self.level += units
        if self.level >= self.capacity:
            self.level = self.capacity
            if self.shape[0] == BUCKET:
                self.carry = 0
        self.changed = True

    def give_back(self, units: int, *, reserved_at_ms: int | None) -> None:
        """Refunds (or, below zero, charges) what was reserved at `reserved_at_ms`, in the window of that time.  None:
        in the present window."""
        if self.starts_ms is None or reserved_at_ms is None or reserved_at_ms >= self.starts_ms:
            self.add(units)
        elif self.shape[0] == SLIDING and reserved_at_ms >= 2 * self.starts_ms - self.ends_ms:
            self.carry, self.changed = max(0, self.carry - units), True

    def wait_ms(self, wanted: int, *, now_ms: int) -> int | None:
        """Milliseconds until it holds `wanted`, rounded up; None if it never will."""
        if wanted > self.capacity:
            return None
        if self.starts_ms is None:
            return _refill_ms(wanted - self.level, carry=self.carry, capacity=self.capacity, window_ms=self.window_ms)
        if self.shape[0] == FIXED:
            return self.ends_ms - now_ms
        # Enough has expired when this many units have left: of the window before, or of this one during the next.
        length, room = self.ends_ms - self.starts_ms, self.level - wanted
        if room >= 0:
            return self.ends_ms - room * length // self.carry - now_ms
        spent = self.capacity - self.level
        return self.ends_ms + length - (self.capacity - wanted) * length // spent - now_ms


def opened(stored: Budget | None, rule: Rule, *, now_ms: int, ended: bool = False) -> Budget:
    """A copy of the budget at `now_ms`.  One that is absent or full (which is the same) takes the rule's capacity.

    `ended`: opened for a lease that was made when the rule may have had another shape.  The budget then keeps its
    present shape, and a calendar window, whose bounds are not known here, stays as it was last changed.
    """
    if stored is None:
        full = _windowed(Budget(rule.capacity, 0, rule.capacity, now_ms, rule.shape), rule, now_ms)
        full.changed = False
        return full
    budget = replace(stored, starts_ms=None, shade=0, changed=False)
    if budget.shape != rule.shape:
        if not ended:
            budget.shape, budget.carry, budget.at_ms, budget.changed = rule.shape, 0, now_ms, True
            return _windowed(budget, rule, now_ms)
        if not budget.shape[1:].isdecimal():
            return budget
        rule = Rule(rule.key, budget.shape, budget.capacity)
    if rule.shape[0] == BUCKET:
        _refill(budget, rule, now_ms)
    return _windowed(budget, rule, now_ms)


def full_in_ms(rule: Rule, *, held: int, now_ms: int, carry: int = 0) -> int:
    """Milliseconds until nothing is spent any more, rounded up; for a sliding window an upper bound."""
    capacity = rule.capacity
    if rule.shape[0] == BUCKET:
        refilled = -(-((capacity - held) * rule.window_ms - carry) // capacity)
        return refilled if refilled > 0 else 0
    if held >= capacity:
        return 0
    starts, ends = window_of(rule, now_ms)
    return ends - now_ms + (ends - starts if rule.shape[0] == SLIDING else 0)


def fits_in_ms(rule: Rule, *, held: int, now_ms: int) -> int:
    """Milliseconds until it holds a unit again, rounded up; for a sliding window an upper bound."""
    if rule.shape[0] == BUCKET:
        return _refill_ms(1 - held, carry=0, capacity=rule.capacity, window_ms=rule.window_ms)
    return full_in_ms(rule, held=held, now_ms=now_ms)


def actual(counts: Counts, used: Used, *, reserved: int) -> int:
    """What a request really cost, in the units of a rule that counts by `counts`."""
    if counts == PLAIN:
        return used.input_tokens + used.output_tokens
    return reserved if isinstance(counts, int) else weighed(counts, used)


def weighed(weights: Weights, used: Used) -> int:
    """The weighted sum of tokens, rounded up; never below zero."""
    if len(weights) > PLAIN_WEIGHTS and used.cost >= 0:
        return used.cost
    total = sum(weight * tokens for weight, tokens in zip(weights, used[:PLAIN_WEIGHTS], strict=False))
    return max(0, -(-total // SCALE))


class Verdict(NamedTuple):
    """Whether a request fits.  `bound`: the index of the rule that refuses it (the one with the longest wait, if
    several do), None if none does.  `wait_ms` None: it never will fit.  `missed`: the indexes of the shadow rules that
    would have refused, each with its wait."""

    bound: int | None
    wait_ms: int | None
    missed: dict[int, float]


def judged(rules: Sequence[Rule], budgets: Sequence[Budget], costs: Sequence[int], *, now_ms: int) -> Verdict:
    """The verdict on budgets that were opened and resized by these rules."""
    bound, longest, missed = None, -1.0, dict[int, float]()
    for n, (rule, budget, cost) in enumerate(zip(rules, budgets, costs, strict=True)):
        if cost == 0 or budget.held >= cost:
            continue
        found = budget.wait_ms(cost, now_ms=now_ms)
        wait = NEVER if found is None else found
        if rule.shadow:
            missed[n] = wait
        elif wait > longest:
            bound, longest = n, wait
    return Verdict(bound, None if longest == NEVER else min(int(longest), MOST_WAIT_MS), missed)


def _refill_ms(units: int, *, carry: int, capacity: int, window_ms: int) -> int:
    """Milliseconds until a bucket has gained `units`."""
    return max(0, -(-(units * window_ms - carry) // capacity))


def _refill(budget: Budget, rule: Rule, now_ms: int) -> None:
    """Refills up to `now_ms`; a clock that went back adds nothing."""
    gained, budget.carry = divmod(max(0, now_ms - budget.at_ms) * budget.capacity + budget.carry, rule.window_ms)
    budget.at_ms = now_ms
    budget.add(gained)
    budget.changed = False


def _windowed(budget: Budget, rule: Rule, now_ms: int) -> Budget:
    budget.window_ms = rule.window_ms
    if rule.shape[0] != BUCKET:
        starts, ends = window_of(rule, now_ms)
        if budget.at_ms < starts:
            before = rule.shape[0] == SLIDING and budget.at_ms >= 2 * starts - ends
            budget.carry = max(0, budget.capacity - budget.level) if before else 0
            budget.level = budget.capacity
        budget.at_ms, budget.starts_ms, budget.ends_ms = now_ms, starts, ends
        if rule.shape[0] == SLIDING:
            budget.shade = -(-budget.carry * (ends - now_ms) // (ends - starts))
    if budget.level >= budget.capacity:
        budget.level = budget.capacity = rule.capacity
        budget.changed = True
    return budget


def window_of(rule: Rule, now_ms: int) -> tuple[int, int]:
    """Where the window around `now_ms` begins and ends.  Outside the known bounds (two clocks that differ by more than
    a window) every window is as long as the first."""
    first, second, third = rule.bounds or (0, rule.window_ms, rule.window_ms)
    if second <= now_ms < third:
        return second, third
    starts = first + (now_ms - first) // (second - first) * (second - first)
    return starts, starts + second - first

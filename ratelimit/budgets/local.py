"""Budgets of this process alone, which enforce rates while Redis is away.  No leases, so nothing is settled."""

from collections import OrderedDict
from collections.abc import Sequence

from ratelimit.budgets.budget import Budget, judged, opened
from ratelimit.budgets.port import Admitted, Decision, Refused
from ratelimit.budgets.rule import Rule

MAX_OWNERS = 10_000


class LocalBudgets:
    """Budgets of at most `owners`; beyond that, the least recently used is forgotten and starts afresh.  Not
    thread-safe."""

    def __init__(self, owners: int = MAX_OWNERS) -> None:
        self._owners: OrderedDict[str, dict[str, Budget]] = OrderedDict()
        self._bound = owners

    def take(self, rules: Sequence[Rule], costs: Sequence[int], now_ms: int) -> Decision:
        """Takes from all of the rules' budgets, or from none.  Nothing is taken from the budget of a shadow rule that
        would have refused."""
        budgets = [self.open(rule, now_ms) for rule in rules]
        verdict = judged(rules, budgets, costs, now_ms=now_ms)
        if verdict.bound is not None:
            return Refused(rules[verdict.bound].name, verdict.wait_ms, self.keep(rules, budgets))
        for n, (budget, cost) in enumerate(zip(budgets, costs, strict=True)):
            if n not in verdict.missed:
                budget.add(-cost)
        missed = verdict.missed
        shadow = rules[max(missed, key=missed.__getitem__)].name if missed else ""
        return Admitted(self.keep(rules, budgets), shadow)

    def open(self, rule: Rule, now_ms: int) -> Budget:
        """A copy of the rule's budget at `now_ms`, resized to the rule."""
        budget = opened(self.stored(rule), rule, now_ms=now_ms)
        budget.resize(rule.capacity)
        return budget

    def stored(self, rule: Rule) -> Budget | None:
        return self._owners.get(rule.owner, {}).get(rule.key)

    def keep(self, rules: Sequence[Rule], budgets: Sequence[Budget]) -> tuple[int, ...]:
        """Stores the budgets that have changed; returns what each holds."""
        for rule, budget in zip(rules, budgets, strict=True):
            if budget.changed:
                self._owners.setdefault(rule.owner, {})[rule.key] = budget
                self._owners.move_to_end(rule.owner)
        while len(self._owners) > self._bound:
            self._owners.popitem(last=False)
        return tuple(budget.held for budget in budgets)

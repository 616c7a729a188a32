"""How much a request will probably take, when all that is known is the most that it may.  Pure.

Clients allow for far more output than they get.  To charge that on admission would let the estimates of what runs now
outweigh what everybody has really had.  So a request is taken for what its tenant's answers by its model have lately
been; the first ones of a tenant for what everybody's have.  What it takes beyond is charged as it runs, and at its end
(queue.py).
"""

from collections import OrderedDict

LATELY = 0.1  # the weight of the latest answer
FIRST = 500  # tokens of service, of the first answers by a model
EVERYBODY = ""  # among tenants
MOST_KNOWN = 20_000  # of tenants and models; those that have not learned for longest are forgotten first


class Expected:
    """Not for several threads at once.  Tokens of service."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], float] = OrderedDict()

    def of(self, tenant_id: str, model: str, most: int) -> int:
        known = self._known.get((tenant_id, model), self._known.get((EVERYBODY, model)))
        return min(most, FIRST if known is None else round(known))

    def learn(self, tenant_id: str, model: str, had: int) -> None:
        """An answer took so much."""
        for name in ((tenant_id, model), (EVERYBODY, model)):
            known = self._known.pop(name, None)
            self._known[name] = had if known is None else known + LATELY * (had - known)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

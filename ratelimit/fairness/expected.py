"""The expected cost of a request, when only its upper bound is known.  Pure.

Clients allow for far more output than they get.  If that were charged on admission, the estimates of running requests
would outweigh what tenants have really had.  So a request is estimated by its tenant's recent answers from its model; a
tenant's first requests by everybody's.  What it takes beyond that is charged as it runs, and at its end (queue.py).
"""

from collections import OrderedDict

LATELY = 0.1  # the weight of the latest answer in the average
FIRST = 500  # tokens of service assumed for a model's first answers
EVERYBODY = ""  # in place of a tenant
MOST_KNOWN = 20_000  # tenants and models; the oldest are forgotten first


class Expected:
    """Not thread-safe.  In tokens of service."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], list[float]] = OrderedDict()  # one average each

    def of(self, tenant_id: str, model: str, most: int) -> int:
        known = self._known.get((tenant_id, model)) or self._known.get((EVERYBODY, model))
        expected = FIRST if known is None else round(known[0])
        return most if most < expected else expected

    def learn(self, tenant_id: str, model: str, had: int) -> None:
        """An answer took `had`."""
        for name in ((tenant_id, model), (EVERYBODY, model)):
            known = self._known.get(name)
            if known is None:
                self._known[name] = [float(had)]
            else:
                known[0] += LATELY * (had - known[0])
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

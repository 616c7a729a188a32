"""One level of the hierarchy: whose turn it is among siblings.  Pure.

Start-time Fair Queuing (Goyal, Vin and Cheng, SIGCOMM 1996), with tokens of service in place of bits.  Each child has a
tag: the service that it has had, divided by its weight.  The child with the lowest tag is next.  `virtual` is the tag
of the latest one that was served, and a child that comes back is lifted to it: having been idle is no credit.  No child
that waits is behind it: where an estimate that was too high is corrected, time goes back with its child, else one that
comes would pay for it.  A child whose tag is beyond `virtual` when it goes is remembered until the others have caught
up, or until nobody is left.

Each step takes O(log n) of the siblings that wait.  Heaps are lazy: an entry says how far its child was, at least, when
it was made.  When it comes up, it is put where the child is now, or dropped if the child waits no more; when there are
too many of them, all are made anew.  So most steps do not touch a heap.
"""

from collections import OrderedDict
from heapq import heapify, heappop, heappush, heapreplace
from typing import Any, NamedTuple

SLACK = 64  # stale entries that are always tolerated

Entry = tuple[float, int, "Node"]
NO_LINE: OrderedDict[Any, None] = OrderedDict()  # the line of a leaf in which nothing has waited yet, as in most


class Demand(NamedTuple):
    """What a tenant has in a queue: how many requests run, and how many wait."""

    group: str
    tenant_id: str
    weight: int
    running: int
    waiting: int


class Node:
    """A group, a tenant or a user, or the root.  A leaf has a `line` of tickets, first come first; all others have
    `children` and the other lists.  `waiting`, `running` and `backlog` (tokens that wait) include everything below.
    Changed only by its parent and by queue.py."""

    __slots__ = (
        "backlog", "children", "is_leaf", "line", "lingering", "lingers", "listed", "longest", "name", "number",
        "parent", "ready", "running", "tag", "turn", "turns", "virtual", "waiting", "waiting_weight", "weight",
    )  # fmt: skip

    def __init__(self, name: str, weight: int, parent: "Node | None", *, leaf: bool) -> None:
        self.name, self.weight, self.parent = name, weight, parent
        self.virtual = 0.0
        self.tag: float = parent.virtual if parent is not None else 0.0
        self.number = parent.count() if parent is not None else 0
        self.is_leaf = leaf
        self.line = NO_LINE
        self.waiting = self.running = self.backlog = self.waiting_weight = 0
        if not leaf:
            self.children: dict[str, Node] = {}
            self.ready: list[Entry] = []  # children that wait, by tag
            self.longest: list[Entry] = []  # the same, most waiting for its weight first
            self.lingering: list[Entry] = []  # idle children whose tag is beyond `virtual`
        self.lingers = False
        self.turn = self.turns = 0  # the number of its latest entry in `ready`; how many turns its children have had
        self.listed = 0  # how many waited when its highest entry in `longest` was made

    def count(self) -> int:
        """Numbers entries and children, so that the older of two equals comes first."""
        self.turns += 1
        return self.turns

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not self.running

    def reweigh(self, weight: int) -> None:
        """Sets the weight for what is served from now on."""
        if self.waiting and self.parent is not None:
            self.parent.waiting_weight += weight - self.weight
        self.weight = weight
        self.listed = 0

    def lift(self, child: "Node") -> None:
        """Lifts a child that had nothing waiting to where the others are."""
        child.tag = max(child.tag, self.virtual)

    def offer(self, child: "Node") -> None:
        """Lists a child that waits under its present tag, and moves time back to it if needed; its earlier entry is
        void.  Call it when the child begins to wait, and when its tag has become less."""
        self.virtual = min(self.virtual, child.tag)
        child.turn = self.count()
        heappush(self.ready, (child.tag, child.turn, child))
        if len(self.ready) > 2 * len(self.children) + SLACK:
            self.ready = [entry for entry in self.ready if _is_current(entry)]
            heapify(self.ready)

    def next(self) -> "Node":
        """The child whose turn it is; IndexError if none waits."""
        while True:
            tag, turn, child = self.ready[0]
            if turn != child.turn or not child.waiting:
                heappop(self.ready)
            elif tag != child.tag:
                heapreplace(self.ready, (child.tag, turn, child))
            else:
                self.serve(child)
                return child

    def serve(self, child: "Node") -> None:
        """Time advances to the child's tag."""
        if child.tag > self.virtual:
            self.virtual = child.tag
        while self.lingering and self.lingering[0][0] <= self.virtual:
            self._review(heappop(self.lingering)[2])

    def grown(self, child: "Node") -> None:
        """More of the child's requests wait."""
        if child.waiting <= child.listed:
            return
        heappush(self.longest, _length(child))
        if len(self.longest) > 4 * len(self.children) + SLACK:
            self.longest = [_length(each) for each in self.children.values() if each.waiting]
            heapify(self.longest)

    def most_waiting(self) -> "Node":
        """The child with most waiting for its weight; IndexError if none waits."""
        while True:
            length, _, child = self.longest[0]
            now = -child.waiting / child.weight
            if now == length and now:
                return child
            if now:
                heapreplace(self.longest, _length(child))
            else:
                heappop(self.longest)
                child.listed = 0

    def ended(self, child: "Node") -> None:
        """The child is idle: forgets it, unless it is ahead of the others."""
        if self.is_idle:
            self.children.clear()
            self.ready.clear()
            self.longest.clear()
            self.lingering.clear()
            self.virtual = 0.0
        elif not child.lingers:
            self._review(child)

    def _review(self, child: "Node") -> None:
        child.lingers = False
        if not child.is_idle:
            return
        if child.tag <= self.virtual:
            del self.children[child.name]
        else:
            child.lingers = True
            heappush(self.lingering, (child.tag, child.number, child))


def _is_current(entry: Entry) -> bool:
    _, turn, child = entry
    return turn == child.turn and child.waiting > 0


def _length(child: Node) -> Entry:
    """The child's entry in `longest`."""
    child.listed = child.waiting
    return -child.waiting / child.weight, child.number, child

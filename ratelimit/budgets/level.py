"""The arithmetic of a budget.  Pure; `lua/budget.lua` is the same in Lua, and one test table holds both.

Whole units and a remainder, no fractions: a double would drift by a rounding error at every step of a busy budget.  A
refilling bucket is exact as long as elapsed ms x capacity stays under 2^53 (Lua's numbers); beyond, one step is off by
less than a millionth of a unit.

A fixed window is full again at its end.  A sliding window counts what was spent in this window and, of the one before,
the part that the last window's length still covers, as if it had been spent evenly.  If it was not, up to about twice
the amount can pass within one window's length at worst (all of it at the end of a window, all at the right time in the
next); for steady traffic the error is a few percent.  In return it costs two numbers, whatever the traffic.
"""

from dataclasses import dataclass, replace

from ratelimit.budgets.meter import Meter


@dataclass(slots=True)
class Level:
    """The live state of one budget.  `level` may be below zero (debt), never above `capacity`.

    `carry`: of a bucket what was refilled beyond the last whole unit, in unit·ms: less than one window; of a sliding
    window what was spent in the window before.  `at_ms`: when it was last changed.  `starts_ms` and `ends_ms`: the
    window that it was opened in, None if it has none or was left as it was.  `changed`: must be written back.
    """

    level: int
    carry: int
    capacity: int
    at_ms: int
    shape: str
    starts_ms: int | None = None
    ends_ms: int = 0
    shade: int = 0
    changed: bool = False

    @property
    def held(self) -> int:
        """What can be taken now."""
        return self.level - self.shade

    def resize(self, capacity: int) -> None:
        """Follows a changed limit.  What is spent stays spent: `capacity - level` does not change."""
        if capacity != self.capacity:
            self.level += capacity - self.capacity
            self.capacity, self.changed = capacity, True

    def add(self, units: int) -> None:
        """Refunds or, below zero, charges."""
        self.level += units
        if self.level >= self.capacity:
            self.level = self.capacity
            if self.shape[0] == "b":
                self.carry = 0
        self.changed = True

    def full_in_ms(self, window_ms: int, now_ms: int) -> int:
        """Milliseconds until nothing is spent any more, rounded up; of a sliding window at most."""
        if self.held >= self.capacity:
            return 0
        if self.starts_ms is None:
            return max(0, -(-((self.capacity - self.level) * window_ms - self.carry) // self.capacity))
        return self.ends_ms - now_ms + (self.ends_ms - self.starts_ms if self.shape[0] == "s" else 0)

    def give_back(self, units: int, reserved_at_ms: int | None) -> None:
        """Refunds (or, below zero, charges) what was reserved at that time: in the window that it was reserved in, if
        that is known."""
        if self.starts_ms is None or reserved_at_ms is None or reserved_at_ms >= self.starts_ms:
            self.add(units)
        elif self.shape[0] == "s" and reserved_at_ms >= 2 * self.starts_ms - self.ends_ms:
            self.carry, self.changed = max(0, self.carry - units), True

    def wait_ms(self, wanted: int, now_ms: int, window_ms: int) -> int | None:
        """Milliseconds until it holds `wanted`, rounded up; None if it never will."""
        if wanted > self.capacity:
            return None
        if self.starts_ms is None:
            return max(0, -(-((wanted - self.level) * window_ms - self.carry) // self.capacity))
        if self.shape[0] == "f":
            return self.ends_ms - now_ms
        return self._sliding_wait(wanted) - now_ms

    def _sliding_wait(self, wanted: int) -> int:
        """When so much of what was spent has left: of the window before, or of this one in the next."""
        assert self.starts_ms is not None  # noqa: S101 - a sliding window that was opened
        length, room = self.ends_ms - self.starts_ms, self.level - wanted
        if room >= 0:
            return self.ends_ms - room * length // self.carry
        return self.ends_ms + length - (self.capacity - wanted) * length // (self.capacity - self.level)


def opened(stored: Level | None, meter: Meter, now_ms: int, *, ended: bool = False) -> Level:
    """The budget at `now_ms`, as a copy; one that is absent or, which is the same, full takes the meter's capacity.

    `ended`: for a lease that was made when the limit may have had another shape.  The present one then stays, and a
    window of a calendar, whose bounds are not known here, is left as it was last changed.
    """
    if stored is None:
        full = _windowed(Level(meter.capacity, 0, meter.capacity, now_ms, meter.shape), meter, now_ms)
        full.changed = False
        return full
    level = replace(stored, starts_ms=None, shade=0, changed=False)
    if level.shape != meter.shape:
        if not ended:
            level.shape, level.carry, level.at_ms, level.changed = meter.shape, 0, now_ms, True
            return _windowed(level, meter, now_ms)
        if not level.shape[1:].isdecimal():
            return level
        meter = Meter(meter.key, level.shape, level.capacity)
    if meter.kind == "b":
        _refill(level, meter.window_ms, now_ms)
    return _windowed(level, meter, now_ms)


def _refill(level: Level, window_ms: int, now_ms: int) -> None:
    """A clock that went back gives nothing."""
    gained, level.carry = divmod(max(0, now_ms - level.at_ms) * level.capacity + level.carry, window_ms)
    level.at_ms = now_ms
    level.add(gained)
    level.changed = False


def _windowed(level: Level, meter: Meter, now_ms: int) -> Level:
    if meter.kind != "b":
        starts, ends = meter.window(now_ms)
        if level.at_ms < starts:
            before = meter.kind == "s" and level.at_ms >= 2 * starts - ends
            level.carry = max(0, level.capacity - level.level) if before else 0
            level.level = level.capacity
        level.at_ms, level.starts_ms, level.ends_ms = now_ms, starts, ends
        if meter.kind == "s":
            level.shade = -(-level.carry * (ends - now_ms) // (ends - starts))
    if level.level >= level.capacity:
        level.level = level.capacity = meter.capacity
        level.changed = True
    return level

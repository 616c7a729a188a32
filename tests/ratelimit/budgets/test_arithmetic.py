"""The arithmetic of budgets as one table, which budget.py and `lua/budget.lua` (in a real Valkey) both pass.

Each case is the history of one budget, which begins full.  A row reads: at this time, this step; what is taken may have
to wait so long (0: it was taken; NEVER: it can never fit), and takes nothing then; afterwards the budget holds so much,
and would be full again in a number of milliseconds.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import pytest
import redis

from ratelimit.budgets.budget import Budget, actual, full_in_ms, opened
from ratelimit.budgets.control_redis import peek_step, peeked
from ratelimit.budgets.rule import MONEY, Bounds, Counts, Rule, Used
from ratelimit.budgets.scripts import Script
from tests.ratelimit.stores import CLOCK, at_test_clock

START_MS = 1_800_000_000_000  # begins an hour
NEVER = -1
KEY = "tollkeeper:budget:{owner}:table"


class Step(NamedTuple):
    """`at_ms`: when what is given back was reserved.  `shape`: of the rule from now on; of what is given back, then."""

    verb: str
    units: int = 0
    at_ms: int | None = None
    shape: str = ""


LOOK = Step("look")


def take(units: int) -> Step:
    return Step("take", units)


def add(units: int) -> Step:
    return Step("add", units)


def back(units: int, *, reserved_at: int | None = None, shape: str = "") -> Step:
    return Step("back", units, None if reserved_at is None else START_MS + reserved_at, shape)


def resize(capacity: int) -> Step:
    return Step("resize", capacity)


def become(shape: str) -> Step:
    return Step("become", shape=shape)


Row = tuple[int, Step, int, int, int]


class Case(NamedTuple):
    shape: str
    capacity: int
    rows: Sequence[Row]
    bounds: Bounds | None = None


# fmt: off
CASES = {
    "a bucket of 600 a minute, which is one in 100 ms": Case("b60000", 600, [
        #  at ms   step                 wait ms     held  full in ms
        (       0, LOOK,                      0,     600,          0),
        (       0, take(301),                 0,     299,     30_100),
        (       0, take(300),               100,     299,     30_100),
        (       0, take(601),             NEVER,     299,     30_100),
        (      99, LOOK,                      0,     299,     30_001),  # the part of a unit is kept
        (     100, LOOK,                      0,     300,     30_000),
        (     150, take(300),                 0,       0,     59_950),
        (     150, take(1),                  50,       0,     59_950),
        (     200, LOOK,                      0,       1,     59_900),
        (     200, take(0),                   0,       1,     59_900),
        (     200, add(-51),                  0,     -50,     65_000),  # debt is paid back by the refill
        (     200, take(10),              6_000,     -50,     65_000),
        (   5_200, LOOK,                      0,       0,     60_000),
        (   5_200, back(500),                 0,     500,     10_000),
        (   5_200, back(-100, reserved_at=0), 0,     400,     20_000),
        (   5_250, add(10_000),               0,     600,          0),  # never beyond the capacity
        (   5_250, take(600),                 0,       0,     60_000),
        (   5_300, LOOK,                      0,       0,     59_950),
        (   5_150, take(0),                   0,       0,     60_000),  # a clock that was set back gives nothing
        (  65_249, LOOK,                      0,     600,          0),
    ]),
    "a bucket that is resized: what is spent stays spent": Case("b60000", 600, [
        (       0, take(60),                  0,     540,      6_000),
        (       0, resize(300),               0,     240,     12_000),
        (       0, take(301),             NEVER,     240,     12_000),
        (       0, resize(50),                0,     -10,     72_000),
        (       0, take(50),             72_000,     -10,     72_000),
        (  12_000, LOOK,                      0,       0,     60_000),
        (  12_000, resize(6_000),             0,   5_950,        500),
        (  12_500, LOOK,                      0,   6_000,          0),
        (  12_500, resize(10),                0,      10,          0),  # a full one takes any size
    ]),
    "a bucket of 3 a day: no part of a unit is lost": Case("b86400000", 3, [
        (       0, take(3),                   0,       0, 86_400_000),
        (9_600_000, take(0),                  0,       0, 76_800_000),
        (19_200_000, take(0),                 0,       0, 67_200_000),
        (28_799_999, take(1),                 1,       0, 57_600_001),
        (28_800_000, take(1),                 0,       0, 86_400_000),
    ]),
    "a large bucket stays whole": Case("b86400000", 600_000_000_000, [
        (       0, take(500_000_000_001),     0, 99_999_999_999, 72_000_001),
        (       0, add(-1_000_000_000_000),   0, -900_000_000_001, 216_000_001),
        (       1, LOOK,                      0, -899_999_993_057, 216_000_000),
    ]),
    "a fixed window is full again at its end": Case("f60000", 100, [
        (  10_000, take(60),                  0,      40,     50_000),
        (  59_999, take(60),                  1,      40,          1),
        (  59_999, take(101),             NEVER,      40,          1),
        (  60_000, take(60),                  0,      40,     60_000),
        (  61_000, back(30, reserved_at=59_999), 0,   40,     59_000),  # of the window that is over
        (  61_000, back(30, reserved_at=60_000), 0,   70,     59_000),
        (  61_000, back(-570),                0,    -500,     59_000),
        (  61_000, resize(1_000),             0,     400,     59_000),
        ( 120_000, LOOK,                      0,   1_000,          0),  # debt ends with its window
    ]),
    "a sliding window forgets evenly what left it": Case("s60000", 100, [
        (       0, take(80),                  0,      20,    120_000),
        (  59_999, take(60),             30_001,      20,     60_001),
        (  60_000, take(60),             30_000,      20,    120_000),
        (  89_999, take(60),                  1,      59,     90_001),
        (  90_000, take(60),                  0,       0,     90_000),
        (  90_000, take(40),             30_000,       0,     90_000),  # then the window before has left
        (  90_000, take(70),             60_000,       0,     90_000),  # then half of this one has left, too
        (  90_000, take(101),             NEVER,       0,     90_000),
        (  90_000, back(40, reserved_at=59_999), 0,   20,     90_000),  # half of them count
        (  90_000, back(40, reserved_at=-1),  0,      20,     90_000),  # none of them counts any more
        (  90_000, back(40, reserved_at=60_000), 0,   60,     90_000),
        (  90_000, back(99, reserved_at=59_999), 0,   80,     90_000),
        ( 120_000, LOOK,                      0,      80,    120_000),
        ( 150_000, LOOK,                      0,      90,     90_000),
        ( 180_000, LOOK,                      0,     100,          0),
    ]),
    "a calendar's windows are those of its bounds": Case("fday/UTC", 100, [
        (       0, take(100),                 0,       0,  3_600_000),
        (3_599_999, take(1),                  1,       0,          1),
        (3_600_000, take(70),                 0,      30,  1_800_000),  # half as long: a day on which the clocks change
        (5_399_999, take(70),                 1,      30,          1),
        (5_400_000, LOOK,                     0,      30,  1_800_000),  # beyond them windows are as long as the first
        (7_200_000, LOOK,                     0,     100,          0),
    ], (START_MS, START_MS + 3_600_000, START_MS + 5_400_000)),
    "what is spent stays spent in another shape": Case("b60000", 100, [
        (       0, take(60),                  0,      40,     36_000),
        (     600, become("f60000"),          0,      40,     59_400),
        (   1_000, back(10, reserved_at=0, shape="b60000"), 0, 50, 59_000),
        (   1_000, become("s60000"),          0,      50,    119_000),
        (  61_000, back(10, reserved_at=0, shape="f60000"), 0, 60, 119_000),
        (  61_000, become("b60000"),          0,     100,          0),
    ]),
}
# fmt: on


class Arithmetic(Protocol):
    def play(self, rule: Rule, step: Step, now_ms: int) -> int:
        """Does it to the rule's budget; the wait, or 0."""

    def look(self, rule: Rule, now_ms: int) -> tuple[int, int]:
        """What the budget holds, and when it is full."""

    def actual(self, counts: Counts, used: Used, reserved: int) -> int: ...


class InPython:
    def __init__(self) -> None:
        self._stored: Budget | None = None

    def play(self, rule: Rule, step: Step, now_ms: int) -> int:
        ended = bool(step.shape) and step.verb == "back"
        as_it_was = Rule(rule.key, step.shape, rule.capacity) if ended else rule
        budget = opened(self._stored, as_it_was, now_ms=now_ms, ended=ended)
        if not ended:
            budget.resize(rule.capacity)
        wait: int | None = 0
        if step.verb == "take" and budget.held < step.units:
            wait = budget.wait_ms(step.units, now_ms=now_ms)
        elif step.verb in ("take", "add"):
            budget.add(-step.units if step.verb == "take" else step.units)
        elif step.verb == "back":
            budget.give_back(step.units, reserved_at_ms=step.at_ms)
        self._stored = budget if budget.changed else self._stored
        return NEVER if wait is None else wait

    def look(self, rule: Rule, now_ms: int) -> tuple[int, int]:
        budget = opened(self._stored, rule, now_ms=now_ms)
        budget.resize(rule.capacity)
        return budget.held, full_in_ms(rule, held=budget.held, now_ms=now_ms, carry=budget.carry)

    def actual(self, counts: Counts, used: Used, reserved: int) -> int:
        return actual(counts, used, reserved=reserved)


PLAY = """
local capacity, units, ended = tonumber(ARGV[2]), tonumber(ARGV[7]), ARGV[9] == '1'
local first, second, third = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local budget, wait = open(KEYS[1], ARGV[1], capacity, first, second, third, ended), 0
if not ended then resize(budget, capacity) end
if ARGV[6] == 'take' and budget.level - budget.shade < units then
  wait = wait_ms(budget, units)
elseif ARGV[6] == 'take' then
  add(budget, -units)
elseif ARGV[6] == 'add' then
  add(budget, units)
elseif ARGV[6] == 'back' then
  give_back(budget, units, tonumber(ARGV[8]))
end
store()
return wait == math.huge and -1 or wait
"""
ACTUAL = """
return actual(cjson.decode(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]),
  tonumber(ARGV[6]), tonumber(ARGV[7]))
"""


class InLua:
    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)
        budget = Script.read("budget").source
        self._play, self._actual = at_test_clock(Script.of(budget + PLAY)), Script.of(budget + ACTUAL)
        self._peek = at_test_clock(Script.read("budget", "peek"))

    def play(self, rule: Rule, step: Step, now_ms: int) -> int:
        self._client.set(CLOCK, now_ms)
        ended = bool(step.shape) and step.verb == "back"
        shape = (step.shape, rule.capacity, "", "", "") if ended else peek_step([rule]).arguments
        at = "" if step.at_ms is None else step.at_ms
        arguments = (*shape, step.verb, step.units, at, int(ended))
        return int(self._client.eval(self._play.source, 1, rule.key, *arguments))

    def look(self, rule: Rule, now_ms: int) -> tuple[int, int]:
        self._client.set(CLOCK, now_ms)
        step = peek_step([rule])
        (found,) = peeked(self._client.eval(self._peek.source, 1, *step.keys, *step.arguments))
        return found.held, found.full_at_ms - now_ms

    def actual(self, counts: Counts, used: Used, reserved: int) -> int:
        text = str(counts) if isinstance(counts, int) else str([*counts])
        return int(self._client.eval(self._actual.source, 0, text, reserved, *used))


@pytest.fixture(params=["python", "lua"])
def arithmetic(request: pytest.FixtureRequest) -> Arithmetic:
    return InPython() if request.param == "python" else InLua(request.getfixturevalue("redis_url"))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_budget_goes_as_the_table_says(arithmetic: Arithmetic, case: Case) -> None:
    rule = Rule(KEY, case.shape, case.capacity, bounds=case.bounds)
    for row in case.rows:
        after_ms, step = row[:2]
        if step.verb == "resize":
            rule = replace(rule, capacity=step.units)
        elif step.verb == "become":
            rule = replace(rule, shape=step.shape)
        wait = arithmetic.play(rule, step, START_MS + after_ms)
        held, full_in = arithmetic.look(rule, START_MS + after_ms)
        assert (after_ms, step, wait, held, full_in) == row


@pytest.mark.parametrize(
    ("counts", "reserved", "used", "cost"),
    [
        # what it counts                       reserved  input, output, cached, reasoning      cost
        (0,                                           1, (60, 30, 40, 10),                        1),
        (1,                                         150, (60, 30, 40, 10),                       90),
        (1,                                         150, (0, 0, 0, 0),                            0),
        ((1_000_000, 1_000_000, -900_000, 0),       150, (60, 30, 40, 10),                       54),
        ((1_000_000, 0, 0, 0),                      150, (60, 30, 40, 10),                       60),
        ((0, 1_000_000, 0, 1_500_000),              150, (60, 30, 40, 10),                       45),
        ((1_000_000, 1_000_000, -670_000, -670_000), 150, (60, 30, 40, 10),                      57),  # of 56.5
        ((0, 0, 0, 1),                              150, (60, 30, 40, 1),                         1),  # rounded up
        ((1_000_000, 0, -2_000_000, 0),             150, (60, 30, 40, 10),                        0),  # never below 0
        ((3_000_000, 10_000_000, -2_000_000, 0),    150, (10**9, 10**8, 0, 0),        4_000_000_000),
        ((3_000_000, 10_000_000, 0, 0),             150, (60, 30, 40, 10, 777),                 480),  # no money
        ((3_000_000, 10_000_000, 0, 0, MONEY),      150, (60, 30, 40, 10),                      480),  # cost not known
        ((3_000_000, 10_000_000, 0, 0, MONEY),      150, (60, 30, 40, 10, 777),                 777),
        ((3_000_000, 10_000_000, 0, 0, MONEY),      150, (60, 30, 40, 10, 0),                     0),
        (1,                                         150, (60, 30, 40, 10, 777),                  90),
    ],
)  # fmt: skip
def test_what_a_request_costs_after_all(
    arithmetic: Arithmetic, counts: Counts, reserved: int, used: tuple[int, ...], cost: int
) -> None:
    assert arithmetic.actual(counts, Used(*used), reserved) == cost

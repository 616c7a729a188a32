"""Replays a trace, event by event.  Pure and deterministic."""

from collections.abc import Sequence
from typing import NamedTuple

from ratelimit.fairness.simulation.policy import Policy
from ratelimit.fairness.simulation.server import FOREVER, Server
from ratelimit.fairness.simulation.trace import Request


class Done(NamedTuple):
    """`started` None: it was refused, at `ended`."""

    request: Request
    started: float | None
    ended: float


def replay(trace: Sequence[Request], policy: Policy, server: Server) -> list[Done]:
    """The outcome of each request, in the trace's order.  Nothing comes after the trace; what then still waits is
    run."""
    done: list[Done | None] = [None] * len(trace)
    started: dict[int, float] = {}
    coming, now = 0, 0.0

    def start(number: int) -> None:
        started[number] = now
        server.start(number, trace[number].input_tokens, trace[number].output_tokens, now)

    while True:
        arrives = trace[coming].at if coming < len(trace) else FOREVER
        ends = server.next_end()
        if arrives == ends == FOREVER:
            break
        now = min(arrives, ends)
        if ends <= arrives:
            number = server.end(now)
            policy.over(number, trace[number])
            done[number] = Done(trace[number], started[number], now)
        else:
            runs = policy.ask(coming, trace[coming], now)
            if runs is None:
                done[coming] = Done(trace[coming], None, now)
            elif runs:
                start(coming)
            coming += 1
        for number in policy.gone(now):
            done[number] = Done(trace[number], None, now)
        while (admitted := policy.admit(now)) is not None:
            start(admitted)
    return [each for each in done if each is not None]

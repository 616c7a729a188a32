"""`python -m tests.faults`: a campaign of some minutes, by default with a seed that it prints.

Ended by SIGTERM, as `timeout` does, it says where it was.
"""

import argparse
import faulthandler
import logging
import random
import signal
import sys

from tests.faults.campaign import run
from tests.faults.fleet import Fleet
from tests.faults.place import Place, open_place


def main() -> int:
    faulthandler.register(signal.SIGTERM, chain=True)
    logging.disable(logging.INFO)  # of clients and servers in this process
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long faults are made")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="repeats a campaign's order")
    parser.add_argument("--workers", type=int, default=2, help="processes of each kind in the sidecar")
    parser.add_argument("--fleet", action="store_true", help="two Envoys that ask two sidecars over TCP")
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.seconds:.0f} s", flush=True)
    with open_place(given.workers, Fleet if given.fleet else Place) as place:
        outcome = run(place, given.seed, given.seconds)
    print(outcome)
    return 1 if outcome.wrong else 0


sys.exit(main())

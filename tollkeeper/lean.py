"""Keeps `rich` out of a process that imports this first: structlog would load it, and pygments with it, for a console
that no worker has.  A tenth of a worker's memory.
"""

import sys

sys.modules["rich"] = None  # type: ignore[assignment] # as if it were not installed

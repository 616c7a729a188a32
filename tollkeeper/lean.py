"""Loads structlog without `rich`, and pygments with it, which it would use for a console that no process of ours has.

A tenth of a worker's memory.
"""

import sys

sys.modules["rich"] = None  # type: ignore[assignment] # as if it were not installed
import structlog  # noqa: E402, F401

del sys.modules["rich"]

"""What a worker loads: memory that each process of a sidecar takes, spares too."""

import subprocess
import sys

LOADED = """
import sys
import tollkeeper.worker
import tollkeeper.server
from tollkeeper.slices.table import load_services
load_services()
print(*{name.partition(".")[0] for name, module in sys.modules.items() if module is not None})
"""
NEEDLESS = {"fastapi", "starlette", "uvicorn", "jinja2", "typer", "rich", "pygments", "markdown_it", "argon2", "jwt"}


def test_a_worker_loads_nothing_of_the_control_plane_or_the_command_line() -> None:
    loaded = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True).stdout.split()
    assert "ratelimit" in loaded
    assert not NEEDLESS.intersection(loaded)

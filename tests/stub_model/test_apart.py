"""The product does not need the stub model to run."""

import subprocess
import sys

PROGRAM = """
import sys
import admin.server, tollkeeper.__main__, tollkeeper.server, tollkeeper.supervisor, tollkeeper.up.stack
print([name for name in sys.modules if name.startswith("stub_model")])
"""


def test_no_process_of_the_product_imports_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

"""The unit of docs/install/upgrading.md, as systemd reads it.  It does not run here."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/install/upgrading.md"
ANALYZE = shutil.which("systemd-analyze")


@pytest.mark.skipif(
    ANALYZE is None, reason="systemd-analyze is not installed: the unit of docs/install/upgrading.md was not verified"
)
def test_systemd_has_nothing_against_the_unit_of_the_page(tmp_path: Path) -> None:
    (unit,) = re.findall(r"^```ini\n(\[Unit\]\n.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    text = unit.replace("/opt/tollkeeper/bin/tollkeeper", sys.executable)
    assert text.count(sys.executable) == 1
    file = tmp_path / "tollkeeper.service"
    file.write_text(text)
    command = [str(ANALYZE), "verify", "--man=no", "--recursive-errors=no", str(file)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")

"""The wheel holds what the packages need at run time beside their modules, and works from where it is unpacked."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["packages"]
# Every page of the console can be read, and every script and file that is not imported.
TRY = """
import sys
from admin.console.render import ASSETS, environment
from ratelimit.budgets.control_redis import RedisControl
import ratelimit.fleet.reports_redis, store, tollkeeper.envoy.render
assert all(each.__file__.startswith(sys.argv[1]) for each in (store, tollkeeper.envoy.render)), store.__file__
for name in environment.list_templates():
    environment.get_template(name)
assert len(environment.list_templates()) > 30 and all(data for data, _ in ASSETS.values())
RedisControl(None)
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without the hook, which generates protos/: it did when the tests' environment was made."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    environment = {**os.environ, "HATCH_BUILD_NO_HOOKS": "true"}
    subprocess.run(build, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=60)
    (wheel,) = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory / "files")
    return directory / "files"


def files_of(directory: Path) -> set[str]:
    """Those that are no modules, by their paths below it."""
    found = (each for each in directory.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
    return {str(each.relative_to(directory)) for each in found if each.suffix not in (".py", ".pyi")}


def test_every_file_of_a_package_is_in_it(unpacked: Path) -> None:
    kinds = set()
    for package in PACKAGES:
        wanted = files_of(ROOT / package)
        there = {each for each in files_of(unpacked / package) if not each.startswith("envoy/files/")}
        assert there == wanted, package
        kinds |= {Path(each).suffix for each in wanted}
    assert {".html", ".css", ".js", ".svg", ".lua", ".sql"} <= kinds
    assert files_of(unpacked / "tollkeeper" / "envoy" / "files") == files_of(ROOT / "envoy")


def test_it_works_from_where_it_is(unpacked: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    run = [sys.executable, "-P"]
    for command in (
        [*run, "-c", TRY, str(unpacked)],
        [*run, "-m", "tollkeeper", "envoy", "render", "--upstream", "http://127.0.0.1:1", "--out", "envoy"],
    ):
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    assert any((tmp_path / "envoy").rglob("*.lua"))

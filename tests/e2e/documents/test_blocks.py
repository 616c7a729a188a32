"""What each block of code in the documents is, and the site that is built from them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.documents.pages import INDENTED, ROOT, Block, blocks, pages
from tollkeeper.config import Settings
from tollkeeper.settings.types import PREFIX

EVERY = [block for page in pages() for block in blocks(page)]
# `sh` and `python` run in test_commands.py; `console` is what wants another machine, or the registries.
LANGUAGES = {"sh", "python", "console", "ini", "yaml", "json", "sql", "text"}
NO_CODE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = {"docker", "helm", "kubectl", "npm", "pip", "pip3"}


def of(language: str) -> list[Block]:
    return [block for block in EVERY if block.language == language]


def test_every_block_says_what_it_is() -> None:
    assert [str(block) for block in EVERY if block.language not in LANGUAGES] == []


def test_none_is_made_by_indenting() -> None:
    """It would have no language, and so would not be tried."""
    assert [str(block) for block in of(INDENTED)] == []


@pytest.mark.parametrize("page", pages())
def test_a_list_within_a_list_is_one_to_the_site_too(page: str) -> None:
    """Markdown in Python wants four spaces."""
    assert re.findall(r"^ {1,3}(?:[-*]|\d+\.) .*$", NO_CODE.sub("", (ROOT / page).read_text()), re.MULTILINE) == []


@pytest.mark.parametrize("block", of("console"), ids=str)
def test_what_is_not_run_is_a_script_that_wants_what_is_not_here(block: Block) -> None:
    assert ELSEWHERE & set(re.findall(r"[\w-]+", block.text)), "it can run here: make it `sh`"
    read = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")


def test_settings_in_blocks_exist() -> None:
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    known |= {f"{name}_FILE" for name in known} | {"TOLLKEEPER_GRPC_SECRET"}
    for block in EVERY:
        assert set(re.findall(rf"^(?:export )?({PREFIX.upper()}\w+)=", block.text, re.MULTILINE)) <= known, str(block)


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_yaml_can_be_read(block: Block) -> None:
    assert list(yaml.safe_load_all(block.text))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built strictly: links, anchors, and every page in the navigation."""
    directory = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(directory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, "WARNING -" in done.stderr) == (0, False), done.stderr
    return directory


def test_the_site_has_every_page(site: Path) -> None:
    for page in pages():
        name = page.removeprefix("docs/").removesuffix(".md")
        assert (site / f"{'index' if name == 'README' else name.replace('/README', '/index')}.html").exists(), page


def test_the_site_brings_everything_along(site: Path) -> None:
    """No font, script or picture comes from elsewhere."""
    for path in site.rglob("*.html"):
        assert re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=[\"']?(?:https?:)?//[^ >]+", path.read_text()) == []

"""A hook of MkDocs: brings the documents that lie outside docs/ into the site, and leads links to where they are there.

Links are written as they hold in the repository.  One to a file that is no page takes that file along; one that leads
nowhere ends the build.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
DOCS = PurePosixPath("docs")
OUTSIDE = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "envoy/README.md")
TAKEN = "files"  # where the site has what is no page
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name in OUTSIDE:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    for name in sorted({each for page in _pages() for each in _linked(page) if _place(each).startswith(TAKEN)}):
        files.append(File.generated(config, _place(name), abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    source = page.file.src_uri
    here = source if source in OUTSIDE else str(DOCS / source)

    def moved(found: re.Match[str]) -> str:
        return os.path.relpath(_place(_target(here, found[1])), os.path.dirname(source) or ".")

    return LINK.sub(moved, markdown)


def _pages() -> Iterator[str]:
    yield from OUTSIDE
    yield from (str(path.relative_to(ROOT)) for path in (ROOT / DOCS).rglob("*.md"))


def _linked(page: str) -> Iterator[str]:
    yield from (_target(page, found) for found in LINK.findall((ROOT / page).read_text()))


def _target(page: str, link: str) -> str:
    """Both as paths of the repository."""
    target = os.path.normpath(PurePosixPath(page).parent / link)
    if not (ROOT / target).exists():
        raise PluginError(f"{page}: a link leads to {link}, which is not there")
    return target


def _place(target: str) -> str:
    """Where the site has a file of the repository."""
    if target in OUTSIDE:
        return target
    path = PurePosixPath(target)
    return str(path.relative_to(DOCS)) if path.is_relative_to(DOCS) else f"{TAKEN}/{target}"

"""The blocks of code in the documents, by page."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[3]
BESIDE = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "envoy/README.md")
INDENTED = "indented"


class Block(NamedTuple):
    """`language`: what its fence says, or `INDENTED`."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    return [*BESIDE, *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]


def blocks(page: str) -> Iterator[Block]:
    for token in MarkdownIt("commonmark").parse((ROOT / page).read_text()):
        if token.type in ("fence", "code_block") and token.map is not None:
            language = token.info.strip() if token.type == "fence" else INDENTED
            yield Block(page, token.map[0] + 1, language, token.content)

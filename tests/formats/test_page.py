"""docs/client/formats.md says what the table says, and the table names what Envoy finds."""

import re

from accesslog.formats import FORMATS, paths_of
from tests.formats.page import PAGE, page
from tollkeeper.envoy.render import template_dir


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "python -m tests.formats.page"


def test_every_place_is_one_that_is_read() -> None:
    """By answer_fields.lua, as it is or as a part of an object that is read whole."""
    lua = (template_dir() / "lua" / "metering" / "answer_fields.lua").read_text()
    read = set(re.findall(r"[\w.-]+", lua))
    for form in FORMATS:
        for path in paths_of(form):
            parts = path.split(".")
            beginnings = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
            assert path.startswith("header.") or beginnings & read, path


def test_no_format_stands_in_front_of_another() -> None:
    """What one format reports by itself is not taken for another one's."""
    for place, form in enumerate(FORMATS):
        counts = set((form.marks or (*form.input, *form.output))[:1])
        assert not any(counts <= set(other.marks or (*other.input, *other.output)) for other in FORMATS[:place]), (
            form.name
        )

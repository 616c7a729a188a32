"""docs/operate/fairness.md shows what the commands that it names print, and what the simulator gives."""

from tests.ratelimit.fairness.page import PAGE, SHOWN, page, plots


def test_the_page_shows_what_its_commands_print() -> None:
    text = PAGE.read_text()
    assert len(SHOWN.findall(text)) == text.count("\ntollkeeper fairshare simulate --synthetic") >= 2
    assert page(text) == text, "python -m tests.ratelimit.fairness.page"


def test_the_plots_are_what_the_simulator_gives() -> None:
    for path, drawn in plots():
        assert path.read_text() == drawn, "python -m tests.ratelimit.fairness.page"

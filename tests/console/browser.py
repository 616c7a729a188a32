"""A real Chromium, headless: the one of this machine, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
NONE = (
    "no Chromium on this machine, so THE CONSOLE IS NOT TRIED IN A BROWSER: install Debian's `chromium`"
    " (`.ci/chromium` does, where it may)"
)


def chromium() -> str | None:
    """Where it is."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def running() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Its own sandbox needs a user who is not root, or namespaces that containers forbid; it sees only our pages.
        options: dict[str, Any] = {"executable_path": chromium(), "args": ["--no-sandbox", "--disable-gpu"]}
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()

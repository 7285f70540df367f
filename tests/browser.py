"""Debian's Chromium, driven by Playwright, and axe's eye for what shuts people out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from container import debian

PACKAGE = "chromium"
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
# axe's rules of the Web Content Accessibility Guidelines, and its best practices.
_SERIOUS = ("serious", "critical")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window.

    While it is open, this thread has an event loop, so tests of other modules that want
    one of their own must not run meanwhile.
    """
    if shutil.which(PACKAGE) is None:
        debian.install(PACKAGE)
    path = shutil.which(PACKAGE)
    with sync_playwright() as playwright:
        # Containers have neither the rights nor the memory that it uses by default.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def faults_of(page: Page) -> list[str]:
    """What axe finds on the page that is serious or worse, each in a line."""
    found = Axe().run(page)
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in found.response["violations"]
        if each["impact"] in _SERIOUS
        for node in each["nodes"]
    ]


def is_wider_than_its_window(page: Page) -> bool:
    """Whether one has to scroll sideways to read the page."""
    wide: bool = page.evaluate(
        "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    return wide

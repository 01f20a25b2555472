"""A real browser for pages: Chromium of the distribution, without a window."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = all(importlib.util.find_spec(name) for name in ("playwright", "axe_playwright_python"))

NEEDS_BROWSER = (
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None or not DRIVER,
        reason="needs a browser: install chromium, and pip install playwright axe-playwright-python",
    ),
)


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser, for as long as it is needed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def grave(page: Any, least: tuple[str, ...] = ("serious", "critical")) -> list[str]:
    """What axe-core finds on a page that stands in somebody's way, of these impacts."""
    from axe_playwright_python.sync_playwright import Axe

    return [
        f"{violation['impact']}: {violation['id']}: {violation['nodes'][0]['html'][:120]}"
        for violation in Axe().run(page).response["violations"]
        if violation["impact"] in least
    ]

"""The documents as a site: every link leads somewhere, nothing is loaded from anywhere, every rule has its place."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import NEEDS_BROWSER, chromium, grave

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("material") is None or importlib.util.find_spec("mkdocs") is None,
        reason="needs the extra `site`: pip install mkdocs mkdocs-material",
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    # Strict: a link that leads nowhere, an anchor that is not there, a page that is in no menu ends it.
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_document_is_a_page(site: Path) -> None:
    for document in (ROOT / "docs").glob("*.md"):
        assert (site / f"{document.stem}.html").exists()


def test_nothing_is_loaded_from_anywhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|img|iframe|link)[^>]*(?:src|href)="?https?://[^"> ]*', text) == [], page


def ids_in_code() -> set[str]:
    """The ids that findings are made with: the first argument, where it is written there."""
    makers = {"finding", "_finding", "Finding", "LintFinding", "Refusal"}
    ids = set()
    for room in ("compare", "rules", "stream"):
        for file in (ROOT / "vmstate" / room).glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                    continue
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
                if name in makers and isinstance(node.args[0].value, str):
                    ids.add(node.args[0].value)
    return ids


def test_every_rule_has_its_place(site: Path) -> None:
    from vmstate.rules.check import all_rules
    from vmstate.stream.registry import all_descriptions

    text = (site / "rules.html").read_text(encoding="utf-8")
    rules = {rule.id for vmsd in all_descriptions("virtio-net") for rule in all_rules(vmsd)}
    ids = ids_in_code()
    assert rules and len(ids) > 60
    assert [id for id in sorted(rules | ids) if f'id="{id}"' not in text] == []


def test_a_finding_leads_to_its_rule(site: Path) -> None:
    text = (site / "rules.html").read_text(encoding="utf-8")
    pages = [page.read_text(encoding="utf-8") for page in (site / "gallery").glob("*.html")]
    links = [link for page in pages for link in re.findall(r'href="\.\./rules\.html#([^"]+)"', page)]
    assert links
    for link in links:
        assert f'id="{link}"' in text


def test_the_gallery_has_its_pages(site: Path) -> None:
    text = (site / "gallery.html").read_text(encoding="utf-8")
    pages = re.findall(r'href="(gallery/[^"]+)"', text)
    assert len(pages) >= 6
    for page in pages:
        assert "Content-Security-Policy" in (site / page).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def browser_test(function: Any) -> Any:
    for mark in NEEDS_BROWSER:
        function = mark(function)
    return function


@browser_test
def test_its_search_finds_from_a_folder(site: Path, browser: Any) -> None:
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: request.url.startswith("file:") or complaints.append(request.url))
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("postcopy")
    page.locator(".md-search-result__item a[href*='saved-files.html']").first.click()
    assert page.url.partition("?")[0].endswith("/saved-files.html") and complaints == []


@browser_test
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_the_way_of_anybody(scheme: str, site: Path, browser: Any) -> None:
    page = browser.new_page(color_scheme=scheme)
    # The start page, code in links, tables that are wider than the text, the page that says that there is none.
    for name in ("index", "report", "saved-files", "404"):
        page.goto((site / f"{name}.html").as_uri())
        assert grave(page) == [], name

"""The documents as a site: every link leads somewhere, nothing is loaded from anywhere, every rule has its place."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_every_rule_has_its_place(site: Path) -> None:
    from vmstate.rules.check import all_rules
    from vmstate.stream.registry import all_descriptions

    text = (site / "rules.html").read_text(encoding="utf-8")
    rules = [rule for vmsd in all_descriptions("virtio-net") for rule in all_rules(vmsd)]
    assert rules
    for rule in rules:
        assert f'id="{rule.id}"' in text


def test_the_gallery_has_its_pages(site: Path) -> None:
    text = (site / "gallery.html").read_text(encoding="utf-8")
    pages = re.findall(r'href="(gallery/[^"]+)"', text)
    assert len(pages) >= 5
    for page in pages:
        assert "Content-Security-Policy" in (site / page).read_text(encoding="utf-8")

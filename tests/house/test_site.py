"""The documents as a site: every link leads somewhere, nothing is loaded from anywhere, every rule has its place."""

from __future__ import annotations

import ast
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

"""The page of a matrix, and of a scan."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from recorded import FIXTURES

from vmstate.cli import main
from vmstate.errors import VMStateError
from vmstate.fleet.page import MOST_ROWS, kind_of_rows, rows_page_of

pytest.importorskip("jinja2")

HOSTILE = "</td><script>alert(1)</script>\x1b[2J"


def lines(tmp_path: Path, rows: list[dict[str, Any]]) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def cell(
    source: str, destination: str, verdict: str, rule: str | None = None, cause: str | None = None
) -> dict[str, Any]:
    return {"source": source, "destination": destination, "verdict": verdict, "rule": rule, "cause": cause}


def row(file: str, **facts: Any) -> dict[str, Any]:
    known = dict.fromkeys(("size", "machine", "release", "vmdesc", "sections", "verify", "verdict", "cause", "rule"))
    return {"file": file, **known, "devices": [], "findings": [], "error": None, **facts}


def test_a_cell_leads_to_its_cause(tmp_path: Path) -> None:
    cells = [
        cell("a", "b", "loads"),
        cell("a", "c", "fails", "feature", "net: feature MQ"),
        cell("d", "b", "fails", "feature", "net: feature MQ"),
        cell("d", "c", "unknown"),
    ]
    text = rows_page_of(lines(tmp_path, cells))
    assert "4 cells" in text and "2 fails" in text and "(50.0 %)" in text
    (shared,) = {number for number, verdict in re.findall(r'<a href="#c(\d+)">(\w+)', text) if verdict == "fails"}
    article = text[text.index(f'id="c{shared}"') :]
    article = article[: article.index("</article>")]
    assert "net: feature MQ" in article and "a → c" in article and "d → b" in article and "a → b" not in article


def test_a_scan_says_what_becomes_of_what(tmp_path: Path) -> None:
    rows = [
        row("one.mig", machine="pc-q35-7.2", devices=["virtio-net"], verdict="loads", verify="ok"),
        row(
            "two.mig", machine="pc-q35-7.2", devices=["virtio-net", "nvme"], verdict="fails", cause="x", rule="feature"
        ),
        row("three.mig", error="three.mig: cut off"),
    ]
    text = rows_page_of(lines(tmp_path, rows))
    devices = text[text.index("Devices: 2") :]
    net = devices[devices.index("virtio-net") : devices.index("nvme")]
    assert "1 loads" in net and "1 fails" in net
    # What does not load comes first.
    files = text[text.index('id="files"') :]
    assert files.index("two.mig") < files.index("one.mig") and files.index("three.mig") < files.index("one.mig")


def test_markup_and_control_characters_are_text(tmp_path: Path) -> None:
    for rows in ([cell(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)], [row(HOSTILE, error=HOSTILE, devices=[HOSTILE])]):
        text = rows_page_of(lines(tmp_path, rows))
        assert "<script>alert" not in text and "\x1b" not in text and "&lt;script&gt;alert" in text


def test_a_page_of_very_many_files_is_a_page_still(tmp_path: Path) -> None:
    rows = [row(f"{number}.mig", verdict="loads", machine="pc") for number in range(MOST_ROWS + 7)]
    text = rows_page_of(lines(tmp_path, rows))
    assert len(text) < 3 << 20 and "7 further files" in text


def test_other_files_are_not_taken_for_rows(tmp_path: Path) -> None:
    assert kind_of_rows(FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz") is None
    assert kind_of_rows(tmp_path) is None and kind_of_rows(tmp_path / "nothing") is None
    path = lines(tmp_path, [{"source": 1}])
    with pytest.raises(VMStateError, match="no matrix and no scan"):
        rows_page_of(path)
    path.write_text(json.dumps(cell("a", "b", "loads")) + "\n[1]\n")
    with pytest.raises(VMStateError, match="line 2"):
        rows_page_of(path)
    path.write_text(json.dumps(cell("a", "b", "loads")) + "\n{\n")
    with pytest.raises(VMStateError, match="cannot be read"):
        rows_page_of(path)


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = lines(tmp_path, [cell("a", "b", "loads")])
    assert main(["report", str(source), "-o", str(tmp_path / "page.html")]) == 0
    assert "Who loads where" in (tmp_path / "page.html").read_text()
    assert main(["report", str(source), "--scrub", "-o", str(tmp_path / "page.html")]) == 2
    assert "takes no further option" in capsys.readouterr().err
    assert main(["report", str(source), "-o", str(source)]) == 2
    assert kind_of_rows(source) == "matrix"

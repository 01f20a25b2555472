"""Numbers as pictures, and the option that asks for them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from recorded import FIXTURES

from vmstate.cli import main
from vmstate.errors import VMStateError
from vmstate.report.plots import bars, grid, points

pytest.importorskip("matplotlib", reason="needs matplotlib: install qemu-vmstate[plot]")

BEGINNINGS = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", BEGINNINGS)
def test_each_kind_in_each_form(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"plot{suffix}"
    points(path, {"downtime": {"a": [1.0, 2.0, 3.0], "b": [2.0]}, "gap": {"a": [4.0], "b": [5.0]}}, "ms")
    assert path.read_bytes().startswith(BEGINNINGS[suffix])
    bars(path, {"a": {"save": 1.0, "load": 2.0}, "b": {"load": 1.0}}, "ms")
    assert path.read_bytes().startswith(BEGINNINGS[suffix])
    grid(path, ["a"], ["b", "c"], [["loads", "fails"]])
    assert path.read_bytes().startswith(BEGINNINGS[suffix])
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.slow
def test_what_is_drawn_is_what_was_given(tmp_path: Path) -> None:
    """matplotlib writes each text of an SVG as a comment: labels are there, and a bar is as long as its number."""
    path = tmp_path / "bars.svg"
    bars(path, {"a $x^2$ <b>": {"save": 10.0, "load": 20.0}, "none": {"load": 5.0}}, "microseconds")
    text = path.read_text()
    assert {"a $x^2$ &lt;b&gt;", "none", "microseconds", "save", "load"} <= set(re.findall(r"<!-- (.*?) -->", text))
    widths = []
    for edges in re.findall(
        r'<path d="M ([\d.]+) [\d.]+ \nL ([\d.]+) [^"]*" clip-path[^>]*style="fill: #(?!ffffff)', text
    ):
        widths.append(abs(float(edges[1]) - float(edges[0])))
    longest = max(widths)
    assert sorted(round(20 * width / longest) for width in widths) == [0, 5, 10, 20]


def test_what_cannot_be_drawn_is_said_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = str(FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz")
    for arguments in (["matrix", stream], ["early", "what-if"], ["bench", "migrate"]):
        assert main([*arguments, "--plot", str(tmp_path / "plot.odt")]) == 2
        assert "no plot of that form" in capsys.readouterr().err
        assert main([*arguments, "--plot", str(tmp_path / "nowhere" / "plot.svg")]) == 2
        assert "nowhere" in capsys.readouterr().err
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(VMStateError, match="needs matplotlib: pip install matplotlib"):
        grid(tmp_path / "plot.svg", [], [], [])
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_verbs_draw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = str(FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz")
    assert main(["matrix", stream, "--workers", "1", "--plot", str(tmp_path / "matrix.svg")]) == 0
    assert "<!-- loads -->" in (tmp_path / "matrix.svg").read_text()
    assert main(["early", "what-if", "--backend", "tap", "--plot", str(tmp_path / "cost.svg")]) == 0
    assert "expected" in (tmp_path / "cost.svg").read_text()

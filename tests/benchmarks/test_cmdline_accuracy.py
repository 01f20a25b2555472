"""How often a made command line loads: the measuring itself, on a real QEMU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cmdline_accuracy import changes_between, main
from machines import PROGRAM, needs_qemu
from recorded import FIXTURES

from vmstate import load

CARD = FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz"


def test_what_differs_is_told_by_path_and_bytes(tmp_path: Path) -> None:
    changed = tmp_path / "changed.mig"
    with load(CARD) as stream:
        stream["virtio-net"].state.virtio.status = 7
        stream.save(changed)
    changes = changes_between(str(CARD), str(changed))
    (path,) = changes
    assert path.endswith("virtio-net.virtio.virtio.status") or path.endswith("virtio-net.virtio.status")
    assert changes[path].endswith(": 7>")
    assert not changes_between(str(CARD), str(CARD))


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
def test_microvms_drawn_at_random_load_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows"
    words = ["--qemu", PROGRAM, "--machine", "microvm", "--seed", "test", "--count", "3", "-o", str(out)]
    assert main(words) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 3 and all(row["loads"] and row["argv"][2].startswith("microvm") for row in rows)
    assert "load: 3 of 3" in capsys.readouterr().out

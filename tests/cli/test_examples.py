"""The streams that come with the package, put where the documents have them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

import vmstate
from vmstate.cli import main
from vmstate.saved import corpus
from vmstate.saved.opening import open_input


@pytest.fixture
def two_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """An archive of two streams in the place of the package's."""
    members = {
        name: corpus.corpus_stream(name) for name in ("recorded/qemu-11.1-none.mig", "recorded/qemu-7.2-none.mig")
    }
    with tarfile.open(tmp_path / "two.tar", "w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    monkeypatch.setattr(corpus, "ARCHIVE", tmp_path / "two.tar")
    return members


def test_each_stream_is_a_file_and_what_is_there_stays(
    two_streams: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / "fixtures" / "recorded" / "qemu-7.2-none.mig.xz"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"mine")
    assert main(["examples"]) == 0
    assert "fixtures: 1 stream of real machines; 1 file there already, left as it was;" in capsys.readouterr().out
    assert kept.read_bytes() == b"mine"
    with open_input(str(kept.parent / "qemu-11.1-none.mig.xz")) as opened:
        assert bytes(opened.data) == two_streams["recorded/qemu-11.1-none.mig"]
    assert len([path for path in (tmp_path / "fixtures").rglob("*") if path.is_file()]) == 2
    assert main(["examples", "-o", "two.tar"]) == 2
    assert "two.tar" in capsys.readouterr().err


def test_the_stream_to_try_first_is_one_of_the_package() -> None:
    with vmstate.load(corpus.corpus_stream("qemu-7.2-q35-virtio-net.mig")) as stream:
        assert "virtio-net" in str([section.name for section in stream.sections])

"""Guest memory in files."""

from pathlib import Path

from vmstate.qemu.memory import copy_memory


def test_sparse_copies_are_the_same(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with open(source, "wb") as file:
        file.truncate(1 << 20)
        file.seek(300_000)
        file.write(b"in the middle")
    copy_memory(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks * 512 < 100_000

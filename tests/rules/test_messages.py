"""What QEMU prints, release by release."""

from __future__ import annotations

import pytest

from vmstate.rules import messages
from vmstate.vmsd.release import Release


@pytest.mark.parametrize(
    ("release", "size", "large"),
    [
        (Release(5, 1), "Length mismatch: pc.ram: 0x200 in != 0x100", "Length too large: pc.ram: 0x200 > 0x100"),
        (Release(5, 2), "Size mismatch: pc.ram: 0x200 != 0x100", "Size too large: pc.ram: 0x200 > 0x100"),
        (Release(11, 1), "Size mismatch: pc.ram: 0x200 != 0x100", "Size too large: pc.ram: 0x200 > 0x100"),
        (None, "Size mismatch: pc.ram: 0x200 != 0x100", "Size too large: pc.ram: 0x200 > 0x100"),
    ],
    ids=str,
)
def test_sizes_of_blocks(release: Release | None, size: str, large: str) -> None:
    """system/memory and system/physmem.c: qemu_ram_resize says "size" since 5.2."""
    assert messages.ram_size("pc.ram", 0x200, 0x100, release) == size
    assert messages.ram_too_large("pc.ram", 0x200, 0x100, release) == large


@pytest.mark.parametrize(
    ("release", "is_named"), [(Release(10, 1), False), (Release(10, 2), True), (None, True)], ids=str
)
def test_a_subsection_that_is_not_known(release: Release | None, is_named: bool) -> None:
    """migration/vmstate.c has words of its own for it since 10.2."""
    words = messages.unknown_subsection("dev/more", "dev", "0000:00:02.0/dev", 3, release)
    general = messages.while_loading("0000:00:02.0/dev", 3)
    assert words == ("VM subsection 'dev/more' in 'dev' does not exist" if is_named else general)


@pytest.mark.parametrize(
    ("release", "is_named"), [(Release(10, 1), True), (Release(10, 2), False), (None, False)], ids=str
)
def test_a_part_that_could_not_be_loaded(release: Release | None, is_named: bool) -> None:
    """migration/savevm.c says which section it was up to 10.1."""
    words = "error while loading state section id 3(ram)" if is_named else "load of migration failed"
    assert messages.while_loading_part(3, "ram", release) == words


@pytest.mark.parametrize(("release", "end"), [(Release(10, 1), "  5"), (Release(10, 2), " 5"), (None, "")])
def test_a_version_that_is_too_old(release: Release | None, end: str) -> None:
    """Where the release is not known, it is the part that the lines of all have."""
    line = messages.too_old("cpu", 4, 5, release)
    assert line == f"cpu: incoming version_id 4 is too old for local minimum version_id{end}"

"""`Release`: ordered, and read and written in one form."""

from __future__ import annotations

import pytest

from vmstate.errors import VMStateError
from vmstate.vmsd.release import Release


@pytest.mark.parametrize("text", ["7.2", "7.2.19", "v7.2.0", "7.2.19.1"])
def test_a_release_from_its_text(text: str) -> None:
    assert Release.read(text) == Release(7, 2)
    assert str(Release.read(text)) == "7.2"


@pytest.mark.parametrize("text", ["", "7", "7.x", "7.2-rc1", "seven", "7.2 ", "\u0667.\u0662", "v.7.2", "1000.2"])
def test_what_is_no_release(text: str) -> None:
    with pytest.raises(VMStateError, match="no release of QEMU"):
        Release.read(text)


def test_the_order_is_that_of_the_numbers() -> None:
    assert Release(7, 2) < Release(8, 0) < Release(8, 1) < Release(10, 0) < Release(10, 10)

"""A release of QEMU: `Release(7, 2)`, ordered, written "7.2"."""

from __future__ import annotations

import re

from vmstate.errors import VMStateError
from vmstate.vmsd.data import NamedTuple


class Release(NamedTuple):
    """A release of QEMU by its two numbers. Stable releases (7.2.19) belong to the one that they mend."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    @classmethod
    def read(cls, text: str) -> Release:
        """A release from its text, such as "7.2", "7.2.19" or "v10.0.0". Raises `VMStateError`."""
        numbers = re.fullmatch(r"v?(\d{1,3})\.(\d{1,3})(?:\.\d{1,3})*", text, re.ASCII)
        if numbers is None:
            raise VMStateError("no release of QEMU", expected="two numbers, such as 7.2", found=repr(text)[:60])
        return cls(int(numbers[1]), int(numbers[2]))

    @classmethod
    def checked(cls, value: object) -> Release:
        """A value that must be a release. Raises `VMStateError` for any other, such as a text or a number."""
        if isinstance(value, Release):
            return value
        expected = "a Release, such as vmstate.declare.Release(7, 2)"
        raise VMStateError("no release of QEMU", expected=expected, found=repr(value)[:60])

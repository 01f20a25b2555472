"""What goes from source to destination."""

from __future__ import annotations

from enum import StrEnum

from vmstate.vmsd.data import Value


class Kind(StrEnum):
    """The sections of early migration.

    EARLY is the section with `early_setup`. NOTHING stands in its place where there is nothing to send early although
    the property is on: so a destination that waits for an early section knows in set-up already whether one comes.
    RECORD is the delta section at the stop, SECTION the device's own, which follows a record that says so, or comes
    alone where nothing was sent early.
    """

    EARLY = "early"
    NOTHING = "nothing"
    RECORD = "record"
    SECTION = "section"


class Message(Value):
    """A section without its header and footer: its kind, the device's idstr, and the bytes."""

    kind: Kind
    name: str
    data: bytes = b""

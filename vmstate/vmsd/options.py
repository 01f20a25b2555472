"""What the words of a declaration take by keyword, for type checkers and for whoever looks it up.

It stands apart because Python compiles the text of each of these annotations when it makes the class.
"""

from __future__ import annotations

from typing import Any, TypedDict

from vmstate.vmsd.description import Secret
from vmstate.vmsd.expr import Expr
from vmstate.vmsd.rule import Rule


class WordOptions(TypedDict, total=False):
    """What every word takes."""

    name: str
    """The wire name, where it is not the attribute's; it may repeat and need not be an identifier."""
    version: int
    """On the wire from this version of the struct on (the _V macros)."""
    exists: Expr | None
    """On the wire where this holds (the _TEST macros); `version` then counts for nothing."""
    rules: tuple[Rule, ...]
    """What QEMU checks at load."""
    default: Any
    """The value in a state built from nothing."""
    err_hint: str | None
    """QEMU's hint where a value is not the one expected."""
    private: tuple[Secret, ...] | None
    """What of it is not for strangers, where the type does not say it: REGISTERS, CONTENTS, MACS, secret(...)."""
    doc: str | None
    """One sentence on the field."""


class InfoOptions(WordOptions, total=False):
    """What a word takes besides where hand-written get and put may stand behind the field."""

    info: str
    """The name of the VMStateInfo whose get and put read and write nothing but this value."""

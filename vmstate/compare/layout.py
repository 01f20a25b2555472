"""Wire layouts: what a description puts on the wire, as one flat row of leaves.

Whatever a description comes from (a -dump-vmstate text, a stream's vmdesc, the device library) becomes a `LeafLayout`:
its structs are opened, so that a field that moved into a struct of its own stands where it stood; a leaf says how many
bytes it has, how often, and whether it is always there. What a source does not say is None or `UNKNOWN`, never guessed.

A layout is of one version: a section is read at the version in its header, a nested struct at its own (STRUCT), the
reader's own, or at the one its field gives (VSTRUCT). Facts from QEMU's migration/vmstate.c and migration/savevm.c
(vmstate_field_exists, dump_vmstate_json_to_file).
"""

from __future__ import annotations

import math

Path = tuple[str, ...]
"""Names of fields, from the outside in."""


class Condition:
    """What is not known of a field, or of a struct around it: the path of the one it stands at, and what must hold.

    `is_named` is False where only that there is a condition is known.
    """

    __slots__ = ("at", "is_named", "what")

    def __init__(self, at: Path, what: str, *, is_named: bool = True) -> None:
        self.at = at
        self.what = what
        self.is_named = is_named


class Leaf:
    """A field that has no struct inside it.

    `size` is the number of bytes of one element and `count` the number of elements, None where they are not known;
    `single` says that a `count` that is not known is most likely one. `repeats` are the counts of the arrays around it.
    `exact` says that `size` is that on the wire: a -dump-vmstate text gives the host's sizeof, which it is for integers
    and padding. `kind` is QEMU's name of the type, None where it is not said. `condition` is None where it is always
    there, else what it depends on. `version` is the field's own.
    """

    __slots__ = ("condition", "count", "exact", "kind", "path", "repeats", "single", "size", "version")

    def __init__(
        self,
        path: Path,
        size: int | None,
        count: int | None,
        repeats: tuple[int | None, ...],
        kind: str | None,
        condition: Condition | None,
        version: int,
        exact: bool,
        single: bool = False,
    ) -> None:
        self.single = single
        self.path = path
        self.size = size
        self.count = count
        self.repeats = repeats
        self.kind = kind
        self.condition = condition
        self.version = version
        self.exact = exact

    @property
    def name(self) -> str:
        """The name of the field."""
        return self.path[-1]

    @property
    def is_unused(self) -> bool:
        """Whether it is padding."""
        return self.kind == UNUSED or (self.kind is None and self.name == "unused")

    def is_like(self, leaf: Leaf) -> bool:
        """Whether nothing that is known of the two differs, but where they stand."""
        return (
            self.size == leaf.size
            and self.count == leaf.count
            and self.repeats == leaf.repeats
            and self.kind == leaf.kind
            and self.version == leaf.version
            and (self.condition is None) is (leaf.condition is None)
            and self.path[-1] == leaf.path[-1]
        )

    def without_condition(self) -> Leaf:
        """The same, always there."""
        return Leaf(
            self.path, self.size, self.count, self.repeats, self.kind, None, self.version, self.exact, self.single
        )

    @property
    def element_bytes(self) -> int | None:
        """Bytes in one element of the arrays around it; None where they are not known."""
        if self.size is None or not self.exact or (self.count is None and not self.single):
            return None
        return self.size * (1 if self.count is None else self.count)

    @property
    def bytes(self) -> int | None:
        """Bytes in all; None where they are not known."""
        total = self.element_bytes
        if total is None or None in self.repeats:
            return None
        return total * math.prod(count for count in self.repeats if count is not None)

    def __repr__(self) -> str:
        return f"<Leaf {'/'.join(self.path)} {self.size}*{self.count}*{self.repeats} {self.kind}>"


UNUSED = "unused_buffer"
"""QEMU's name for the type of padding."""

NULLPTR = "nullptr"
"""What stands for NULL in an array of pointers, and for all of the array where its first pointer is NULL."""

NO_ELEMENTS = frozenset((NULLPTR, "qtailq", "qlist", "gtree"))
"""Kinds of a leaf that a stream shows in place of a struct, where a list or an array of pointers has no element."""


class StructVersion:
    """A description that stands in a layout: of the whole, or nested. `version` is the one it is read at."""

    __slots__ = ("minimum", "name", "version")

    def __init__(self, name: str, version: int, minimum: int) -> None:
        self.name = name
        self.version = version
        self.minimum = minimum


class SubsectionLayout:
    """A subsection: where it stands, its versions, and what gives its layout.

    `when` is None where it is certain that it is sent, else it says on what that depends.
    """

    __slots__ = ("at", "minimum", "name", "source", "version", "when")

    def __init__(self, at: Path, name: str, version: int, minimum: int, source: LayoutSource, when: str | None) -> None:
        self.at = at
        self.name = name
        self.version = version
        self.minimum = minimum
        self.source = source
        self.when = when


class LeafLayout:
    """The leaves in the order of the wire, the structs they stand in, and the subsections.

    `host_counts` are the arrays whose length is not in the stream but the same on every host of one configuration.
    `unsent` are subsections, by place and name, that are known and certainly not sent. `decided` says of fields that
    have a condition whether it holds, where that is known; None where fields of one path differ in it.
    """

    __slots__ = ("decided", "host_counts", "leaves", "structs", "subsections", "unsent")

    def __init__(self) -> None:
        self.unsent: set[tuple[Path, str]] = set()
        self.decided: dict[Path, bool | None] = {}
        self.host_counts: set[Path] = set()
        self.leaves: list[Leaf] = []
        self.structs: dict[Path, list[StructVersion]] = {}
        self.subsections: list[SubsectionLayout] = []


class LayoutSource:
    """Something that a layout can be made of: a description, with its name and versions."""

    __slots__ = ()

    name: str
    version: int
    minimum: int

    def layout(self, version: int) -> LeafLayout:
        """The layout at a version."""
        raise NotImplementedError

    def same_as(self, source: LayoutSource) -> bool:
        """Whether it is certain, without a look at the layouts, that they are the same."""
        return False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return False

"""Where the layout of each field comes from: a declaration of a library, the stream's vmdesc, a source tree.

A section is described by one of them, and what is inside it by others: a virtio device is declared in one file, what
every virtio device saves in another, its PCI transport in a third. What is told of a declaration's own source is what
its file says: "Facts from QEMU's hw/net/virtio-net.c" at its top, or files that a comment above the part names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec
from inspect import get_annotations
from typing import TYPE_CHECKING, Any

from vmstate.errors import one_line
from vmstate.report.tree import Row
from vmstate.stream.registry import all_descriptions
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.data import NamedTuple
from vmstate.vmsd.path import value_or_none
from vmstate.vmsd.state import is_state

if TYPE_CHECKING:
    from vmstate.compare.source_sections import SourceDescriptions

_FACTS = re.compile(r"\b[Ff]acts\s+from\s+(.+?)\.(?:\s|$)", re.DOTALL)
_COMMENT = re.compile(r"(?m)(?:^# .*\n)+")
_FILES = re.compile(r"\(([^()]*\.[ch]\b[^()]*)\)")


class Layout(NamedTuple):
    """What describes a field: in a word or two, and in a sentence."""

    words: str
    text: str


NOTHING = Layout("nothing", "nothing describes these bytes")
MEMORY = Layout("RAM", "what QEMU's migration/ram.c writes: pages of memory, which have no fields")


class Layouts:
    """The layouts of one page, each with the number by which sections and rows refer to it.

    `tree` is the source tree by which sections were described that nothing else describes.
    """

    def __init__(self, stream: Stream, tree: SourceDescriptions | None = None) -> None:
        self.numbers: dict[Layout, int] = {}
        self._tree = tree
        self._devices: dict[tuple[str, int], int] = {}
        vmdesc = stream.vmdesc
        for number, device in enumerate(() if vmdesc is None else vmdesc.devices):
            self._devices.setdefault((device.name, device.instance_id), number)

    def number(self, layout: Layout) -> int:
        """The number of a layout on the page."""
        return self.numbers.setdefault(layout, len(self.numbers))

    def of_section(self, section: Section) -> Layout:
        """What describes a section."""
        vmsd = section.vmsd
        if vmsd is None:
            return NOTHING
        if section.described_by == "library":
            # A device that has no class of its own, a variant of another, has that one's.
            return NOTHING if vmsd.state_class is None else of_class(vmsd.state_class)
        if section.described_by == "vmdesc":
            number = self._devices.get((section.name, section.instance_id))
            words = "vmdesc" if number is None else f"devices[{number}]"
            where = "a vmdesc that was given" if number is None else f"the stream's vmdesc, {words}"
            return Layout(words, where + _declared_too(section.name))
        if self._tree is None:
            return Layout(section.described_by, f"described by {section.described_by}")
        place = self._tree.place_of(vmsd)
        return Layout(one_line(place["name"]), one_line(f"the source tree: {place['name']} in {place['file']}"))

    def mark(self, rows: Iterable[Row], state: Any, above: Layout, around: type | None = None) -> None:
        """Tell each row its layout where that is not the layout of the row, or the section, above it.

        `state` is the section's, `around` the class that declares the rows; None where it is the state's.
        """
        around = around or (type(state) if is_state(state) and hasattr(type(state), "vmsd") else None)
        if around is None:
            return
        element: type | None = None
        for row in rows:
            declaring = None if row.kind == "element" else _declaring(around, row.label)
            layout = above if declaring is None else of_class(declaring)
            if row.children:
                # All elements of an array are of one class.
                known = element if row.kind == "element" else None
                inside = known or self._class_at(state, row.path) or around
                element = inside if row.kind == "element" else None
                layout = layout if inside is around else of_class(inside)
                self.mark(row.children, state, layout, inside)
            if layout != above:
                row.layout = self.number(layout)

    @staticmethod
    def _class_at(state: Any, path: str) -> type | None:
        """The class that declares what stands at a path; None where no class does."""
        declared = type(value_or_none(state, path))
        return declared if hasattr(declared, "vmsd") else None


@lru_cache(maxsize=4096)
def of_class(declared: type) -> Layout:
    """What is told of a declaration."""
    module, name = declared.__module__, declared.__qualname__
    return Layout(name, f"the declaration {module}.{name}" + told_of_facts(module, name))


@lru_cache(maxsize=4096)
def _declaring(cls: type, attribute: str) -> type | None:
    """The class that declares an attribute of a class: itself, or one that it builds on."""
    return next((base for base in cls.__mro__ if attribute in get_annotations(base)), None)


@lru_cache(maxsize=1024)
def _declared_too(idstr: str) -> str:
    """What is told of the declaration in a library of a section that is described by its vmdesc."""
    declared = [vmsd.state_class for vmsd in all_descriptions(idstr) if vmsd.state_class is not None]
    # Of more than one, as the CPUs of all architectures are, none is known to be meant.
    if len({cls.__module__ for cls in declared}) != 1:
        return ""
    cls = declared[0]
    return f"; declared too, as {cls.__module__}.{cls.__qualname__}{told_of_facts(cls.__module__, cls.__qualname__)}"


@lru_cache(maxsize=1024)
def told_of_facts(module: str, name: str) -> str:
    """What a module says of the source of a declaration's facts, ", facts from ..."; nothing where it says nothing."""
    text, source = _text_of(module)
    facts = _FACTS.search(text)
    if facts is not None:
        return f", facts from {_line(facts[1])}"
    at = re.search(rf"(?m)^(?:class {re.escape(name)}\b|{re.escape(name)}\b)", source)
    for comment in reversed(list(_COMMENT.finditer(source, 0, at.start() if at is not None else 0))):
        words = _line(re.sub(r"(?m)^# ", "", comment[0]))
        told = _FACTS.search(words) or _FILES.search(words)
        if told is not None:
            return f", facts from {told[1]}"
    return ""


@lru_cache(maxsize=256)
def _text_of(module: str) -> tuple[str, str]:
    """The docstring and the text of a module, which is not imported for that; empty where there is no text."""
    try:
        spec = find_spec(module)
        source: str = spec.loader.get_data(spec.origin).decode()  # type: ignore[union-attr]
    except (AttributeError, ImportError, ValueError, TypeError, OSError):
        return "", ""
    docstring = re.match(r'\s*(?:r?""")(.*?)"""', source, re.DOTALL)
    return (docstring[1] if docstring is not None else ""), source


def _line(text: str) -> str:
    return one_line(" ".join(text.split()))

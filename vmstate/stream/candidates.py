"""Which descriptions a section is tried with, and in which order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from vmstate.schema.vmdesc import Device, Vmdesc, hides_something, may_hide_pointers
from vmstate.stream.events import SectionHeader
from vmstate.stream.registry import all_descriptions, shipped_descriptions
from vmstate.vmsd.description import VMStateDescription

Descriptions = Callable[[], tuple[VMStateDescription, ...]]
"""Descriptions that are looked for when they are asked for: a library is imported only where it is needed."""


class Candidates:
    """The descriptions that a stream's vmdesc and the library have for the sections of one stream.

    `vmdesc` is the stream's vmdesc as far as it is known; `library` says whether the device library is asked.
    """

    def __init__(self, vmdesc: Vmdesc | None, library: bool) -> None:
        self.vmdesc: Vmdesc | None = None
        self._library = library
        # What the vmdesc has for each idstr and instance_id.
        self._by_section: dict[tuple[str, int], deque[Device]] = {}
        self._passed: list[SectionHeader] = []
        if vmdesc is not None:
            self.take_vmdesc(vmdesc)

    def take_vmdesc(self, vmdesc: Vmdesc) -> None:
        """Use a vmdesc that was found, for the sections from here on."""
        self.vmdesc = vmdesc
        for device in vmdesc.devices:
            self._by_section.setdefault((device.name, device.instance_id), deque()).append(device)
        for header in self._passed:
            self._pass(header)

    def passed(self, header: SectionHeader) -> None:
        """The section has been read."""
        if self.vmdesc is None:
            self._passed.append(header)
        else:
            self._pass(header)

    def _pass(self, header: SectionHeader) -> None:
        # Two sections can have the same idstr and instance_id: they match by order.
        entries = self._by_section.get((header.name, header.instance_id))
        if entries and len(entries) > 1:
            entries.popleft()

    def own_description(self, header: SectionHeader) -> VMStateDescription | None:
        """What the vmdesc says of the section, if it describes it."""
        device = self.device(header)
        return None if device is None else device.vmsd

    def device(self, header: SectionHeader) -> Device | None:
        """The entry that the vmdesc has for the section, if it has one."""
        entries = self._by_section.get((header.name, header.instance_id))
        return entries[0] if entries else None

    def of(self, header: SectionHeader) -> tuple[list[tuple[str, Descriptions]], int | None]:
        """Where descriptions to try come from, in order, and the size of an old-style section.

        What vmdesc shows in full needs no library, but where an array can be one of pointers, which QEMU describes
        wrongly; what it shows opaque, or not at all, the library opens.
        """
        device = self.device(header)
        size = None if device is None else device.size
        if device is None or device.vmsd is None:
            # An old-style section has nothing that describes it, unless some library does.
            return ([("library", partial(all_descriptions, header.name))] if self._library else []), size
        described = device.vmsd
        vmdesc: tuple[str, Descriptions] = ("vmdesc", device.descriptions)
        if not self._library:
            return [vmdesc], size
        if hides_something(described):
            return [("library", partial(all_descriptions, header.name)), vmdesc], size
        if not may_hide_pointers(described):
            return [vmdesc], size
        return [vmdesc, ("library", partial(shipped_descriptions, header.name))], size

"""Deliberate faults, put one by one into decoder, encoder and early engine: each is found within its budget.

A fault is a patch of one function. The seeds are read before it is put in; then everything that is compiled is
forgotten, so that the fault is compiled in, and cases are run until one is a finding.
"""

from __future__ import annotations

import gc
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmstate.codec import arrays, codec, elements, structs
from vmstate.codec import compile as compiler
from vmstate.early import streams
from vmstate.early.destination import Destination
from vmstate.errors import DecodeError, VMStateError
from vmstate.fuzz import seeds
from vmstate.fuzz.campaign import Cases, Settings
from vmstate.fuzz.minimise import spoilt
from vmstate.fuzz.subject import Subject
from vmstate.fuzz.targets import FuzzTarget, decoder
from vmstate.fuzz.targets.construct import ConstructTarget
from vmstate.fuzz.targets.decoder import DecoderTarget
from vmstate.fuzz.targets.early import EarlyTarget
from vmstate.fuzz.verdict import Verdict
from vmstate.stream import events, reader, stream
from vmstate.vmsd import types as t
from vmstate.vmsd.description import VMStateDescription

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
NET = FIXTURES / "qemu-7.2-q35-virtio-net-filters.mig.xz"
IOMMU = FIXTURES / "recorded" / "qemu-7.2-q35-virtio-iommu.mig.xz"
COLD = FIXTURES / "recorded" / "qemu-11.1-none.mig.xz"
RAM = FIXTURES / "recorded" / "qemu-7.2-pc-return-path.mig.xz"

BUDGET = 1500
"""The most cases, of all mutators alike, until a fault must have been found."""

Patch = pytest.MonkeyPatch
FAULTS: dict[str, tuple[str, Callable[[Patch], None]]] = {}


def fault(where: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """A deliberate fault, and what it is looked for with: seeds and target."""

    def put(patch: Callable[[Patch], None]) -> Callable[[Patch], None]:
        FAULTS[patch.__name__] = where, patch
        return patch

    return put


# Decoder.


@fault("net")
def a_count_is_one_too_many(patch: Patch) -> None:
    right = elements.number

    def number(ctx: Any, frame: Any, value: Any, what: str, pos: int) -> int:
        result = right(ctx, frame, value, what, pos)
        return result + 1 if what == "count" and result == 3 else result

    for module in (elements, arrays, compiler):
        patch.setattr(module, "number", number)


@fault("port")
def a_validation_is_left_out(patch: Patch) -> None:
    right = compiler._validate

    def validate(field: Any, kind: Any) -> Any:
        return (lambda ctx, frame, pos, values: pos), right(field, kind)[1]

    patch.setattr(compiler, "_validate", validate)


@fault("net")
def room_is_made_before_the_length_is_checked(patch: Patch) -> None:
    right = elements.buffer
    patch.setattr(decoder, "MEASURED", 4)

    def buffer(size: Any) -> Any:
        good = right(size)

        def read(ctx: Any, frame: Any, pos: int, out: list[Any]) -> int:
            room = bytearray(min(elements.number(ctx, frame, size, "size", pos), 64 << 20))
            return good.read(ctx, frame, pos, out) if room is not None else pos

        return elements.Element(read, good.write, good.size, good.least)

    patch.setattr(elements, "buffer", buffer)


@fault("net")
def a_version_that_is_too_new_is_read(patch: Patch) -> None:
    for module in (structs, codec):
        patch.setattr(module, "check_version", lambda *_: None)


@fault("net")
def an_unknown_subsection_is_a_key_error(patch: Patch) -> None:
    def find(ctx: Any, vmsd: Any, name: bytes, pos: int) -> Any:
        named = {sub.vmsd.wire_name: (number, sub) for number, sub in enumerate(vmsd.subsections)}
        return named[name.split(b"\0", 1)[0]]

    patch.setattr(structs, "find_subsection", find)


@fault("net")
def a_subsection_is_taken_for_the_next(patch: Patch) -> None:
    right = structs.find_subsection

    def find(ctx: Any, vmsd: Any, name: bytes, pos: int) -> Any:
        number, _ = right(ctx, vmsd, name, pos)
        number = (number + 1) % len(vmsd.subsections)
        return number, vmsd.subsections[number]

    patch.setattr(structs, "find_subsection", find)


@fault("net")
def padding_is_forgotten(patch: Patch) -> None:
    patch.setattr(compiler, "_run_residue", lambda *_: None)
    patch.setattr(compiler, "_normalises", lambda _: False)


@fault("iommu")
def markers_of_a_list_are_forgotten(patch: Patch) -> None:
    patch.setattr(elements, "markers_or_not", lambda values, markers: values)


@fault("iommu")
def a_marker_is_waited_for(patch: Patch) -> None:
    right = elements.byte_at
    patch.setattr(decoder, "SECONDS", 0.2)

    def byte_at(ctx: Any, pos: int) -> int:
        while (marker := right(ctx, pos)) > 1:
            pass
        return marker

    patch.setattr(elements, "byte_at", byte_at)


@fault("construct")
def the_byte_order_of_the_host_is_the_other(patch: Patch) -> None:
    right = arrays.byte_order
    patch.setattr(arrays, "byte_order", lambda *words: ">" if right(*words) == "<" else "<")


@fault("construct")
def a_number_is_read_as_signed(patch: Patch) -> None:
    right = struct.Struct

    def packer(layout: str) -> struct.Struct:
        return right(layout.replace("I", "i"))

    patch.setattr(compiler, "packer", packer)


@fault("net")
def a_message_holds_what_came_in(patch: Patch) -> None:
    patch.setattr("vmstate.errors.one_line", lambda text: text)
    right = structs.find_subsection

    def find(ctx: Any, vmsd: Any, name: bytes, pos: int) -> Any:
        try:
            return right(ctx, vmsd, name, pos)
        except VMStateError:
            raise DecodeError(f"no subsection {name.decode('latin-1')}") from None

    patch.setattr(structs, "find_subsection", find)


# Encoder.


@fault("net")
def the_last_subsection_is_forgotten(patch: Patch) -> None:
    right = structs._order_to_write
    patch.setattr(structs, "_order_to_write", lambda plan, meta: right(plan, meta)[:-1])


@fault("net")
def subsections_are_written_in_their_own_order(patch: Patch) -> None:
    right = structs._order_to_write
    patch.setattr(structs, "_order_to_write", lambda plan, meta: right(plan, None))


@fault("net")
def the_configuration_is_written_without_capabilities(patch: Patch) -> None:
    right = events.ConfigurationSection.to_bytes

    def to_bytes(self: Any) -> bytes:
        self.state.capabilities = None
        return right(self)

    patch.setattr(events.ConfigurationSection, "to_bytes", to_bytes)


@fault("iommu")
def the_end_of_a_list_is_not_written(patch: Patch) -> None:
    right = elements.qlist

    def qlist(kind: Any, codecs: Any) -> Any:
        good = right(kind, codecs)

        def write(ctx: Any, frame: Any, value: Any, out: bytearray) -> None:
            good.write(ctx, frame, value, out)
            if value:
                del out[-1]

        return elements.Element(good.read, write, good.size, good.least)

    patch.setitem(elements._MAKERS, t.QList, qlist)


# The stream around the sections.


@fault("net")
def a_footer_is_not_compared(patch: Patch) -> None:
    right, ends = reader.StreamReader._footer, reader.StreamReader._ends

    def any_footer(self: Any, data: Any, end: int, section_id: int) -> bool:
        return bool(data[end] == 0x7E) if end < len(data) else ends(self, data, end, section_id)

    def footer(self: Any, data: Any) -> Any:
        if data[self._pos] == 0x7E:
            section_id, self._section = self._section.section_id, None
            self._footers, self._state = True, self._part
            event = events.SectionFooter(section_id, self._base + self._pos)
            self._pos += 5
            return event
        return right(self, data)

    patch.setattr(reader.StreamReader, "_footer", footer)
    patch.setattr(reader.StreamReader, "_ends", any_footer)


@fault("net")
def a_version_id_is_kept_in_eight_bits(patch: Patch) -> None:
    right = reader.StreamReader._section_header

    def header(self: Any, data: Any, pos: int) -> Any:
        event = right(self, data, pos)
        self._section = self._section.replace(version_id=self._section.version_id & 0xFF)
        return event.replace(version_id=event.version_id & 0xFF)

    patch.setattr(reader.StreamReader, "_section_header", header)


@fault("none")
def the_vmdesc_is_one_byte_short(patch: Patch) -> None:
    right = events.Vmdescription.to_bytes
    patch.setattr(events.Vmdescription, "to_bytes", lambda self: right(self)[:-1])


@fault("ram")
def the_data_of_a_command_is_forgotten(patch: Patch) -> None:
    right = events.Command.to_bytes
    patch.setattr(events.Command, "to_bytes", lambda self: right(self.replace(data=bytes(len(self.data)))))


@fault("ram")
def a_run_of_pages_is_counted_short(patch: Patch) -> None:
    right = stream.RamSummary.add

    def add(self: Any, event: Any) -> None:
        right(self, event)
        if event.__class__.__name__ == "RamPages" and event.count > 1:
            self.size -= 1

    patch.setattr(stream.RamSummary, "add", add)


@fault("net")
def an_offset_outside_is_an_index_error(patch: Patch) -> None:
    right = structs.peek_subsection

    def peek(ctx: Any, vmsd: Any, pos: int) -> Any:
        if ctx.data[pos] == 5 and ctx.data[pos + 1 + ctx.data[pos + 1]] is None:
            return None
        return right(ctx, vmsd, pos)

    patch.setattr(structs, "peek_subsection", peek)
    patch.setattr(codec, "STUMBLES", (struct.error,))


# The early engine.


@fault("early")
def a_record_is_read_and_not_applied(patch: Patch) -> None:
    patch.setattr(streams, "_patched", lambda values, section, snapshot: snapshot.decode())


@fault("early")
def a_destination_keeps_what_came_early(patch: Patch) -> None:
    right = Destination.load_record

    def load_record(self: Destination, data: bytes) -> None:
        right(self, data)
        if self.early is not None:
            self.device = self.early.decode()

    patch.setattr(Destination, "load_record", load_record)


@fault("early")
def a_full_reload_is_taken_for_the_early_state(patch: Patch) -> None:
    patch.setattr(streams, "_whole", lambda early_section, section, snapshot: snapshot.decode())


@fault("early")
def a_full_load_forgets_the_status(patch: Patch) -> None:
    right = Destination.load_full

    def load_full(self: Destination, data: bytes) -> None:
        right(self, data)
        self.device.virtio.status = 0

    patch.setattr(Destination, "load_full", load_full)


SEEDS: dict[str, Callable[[], tuple[list[Subject], Callable[[], FuzzTarget]]]] = {
    "net": lambda: (seeds.sections([NET], "hpet") + seeds.sections([NET], "virtio-net"), DecoderTarget),
    "iommu": lambda: (seeds.sections([IOMMU], "virtio-iommu"), DecoderTarget),
    "construct": lambda: (seeds.sections([NET], "i8254") + seeds.sections([NET], "virtio-net"), ConstructTarget),
    "port": lambda: ([subject for n in range(4) for subject in seeds.made("pcie-root-port", n)], ConstructTarget),
    "early": lambda: (seeds.sections([NET], "virtio-net"), EarlyTarget),
    "none": lambda: (seeds.whole([COLD]), DecoderTarget),
    "ram": lambda: (seeds.whole([RAM]), DecoderTarget),
}


@pytest.fixture(scope="module")
def prepared() -> dict[str, tuple[list[Subject], Callable[[], FuzzTarget]]]:
    return {name: make() for name, make in SEEDS.items()}


def forget_what_is_compiled() -> None:
    for held in gc.get_objects():
        if isinstance(held, VMStateDescription):
            held.compiled.clear()


@pytest.fixture
def patched(monkeypatch: Patch) -> Any:
    yield monkeypatch
    monkeypatch.undo()
    forget_what_is_compiled()


def search(subjects: list[Subject], target: FuzzTarget) -> tuple[int, Verdict] | None:
    """The number of the first case that is a finding, and the verdict."""
    cases = Cases(Settings(target.name, 1), subjects)
    for number in range(BUDGET):
        subject, mutations = cases.case(number)
        verdict = target.run(subject, spoilt(subject, mutations), mutations)
        if verdict.is_finding:
            return number, verdict
    return None


def test_there_are_at_least_twenty_faults() -> None:
    assert len(FAULTS) >= 20


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_is_found(name: str, prepared: Any, patched: Patch) -> None:
    where, patch = FAULTS[name]
    subjects, make_target = prepared[where]
    patch(patched)
    forget_what_is_compiled()
    finding = search(subjects, make_target())
    assert finding is not None, "not found"
    print(name, *finding)


def test_without_a_fault_nothing_is_found(prepared: Any) -> None:
    for subjects, make_target in prepared.values():
        cases = Cases(Settings("x", 1), subjects)
        target = make_target()
        for number in range(40):
            subject, mutations = cases.case(number)
            verdict = target.run(subject, spoilt(subject, mutations), mutations)
            assert not verdict.is_finding, (verdict, mutations)

"""The device library: every section it knows, of every recorded stream, read and described by it alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from recorded import NO_ANYTHING, S390X, STREAMS, layouts, opened, pairs_of, plain, without_vmdesc

from vmstate import Section, Stream, devices, load
from vmstate.devices.ide.core import IDEDrive
from vmstate.devices.input.pckbd import ISAKbd, Kbd
from vmstate.devices.pci.device import PCIIrqState
from vmstate.devices.pci.msix import msix_vectors
from vmstate.errors import DescriptionError
from vmstate.schema.write import describe_device, json_text
from vmstate.stream.ends import find_vmdesc
from vmstate.stream.registry import is_old_style, last_part, shipped_descriptions
from vmstate.vmsd.declare import buffer, description, struct, uint8, variant
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import this
from vmstate.vmsd.state import facts_of, is_state, items_of, residue_of

ROOT = Path(__file__).resolve().parents[2]
PLACES = sorted({place for places in devices.INDEX.values() for place in places})
PLACES_OF_BOARDS = sorted({place for places in devices.BOARDS.values() for place in places})


def known_sections(stream: Stream) -> Iterator[Section]:
    for section in stream.sections:
        if not section.is_ram and {section.name, last_part(section.name)} & (
            devices.INDEX.keys() | devices.BOARDS.keys()
        ):
            yield section


def said_by_qemu(data: bytes) -> dict[tuple[str, int], Any]:
    """QEMU's own entries of vmdesc. Where two sections share a name they are alike, and one entry will do."""
    text = find_vmdesc(memoryview(data))
    if text is None:
        return {}
    entries = dict(pairs_of(text))["devices"]
    return {(dict(entry)["name"], dict(entry)["instance_id"]): entry for entry in entries}


@pytest.mark.parametrize("file", STREAMS)
def test_the_library_alone_reads_and_describes(file: str) -> None:
    data = plain(file)
    stream = opened(file)
    described_by_qemu = said_by_qemu(data)
    dialect = stream.vmdesc.dialect if stream.vmdesc is not None else None
    for section in known_sections(stream):
        raw = data[section.payload_offset : section.payload_offset + len(section.payload())]
        fitting = list(layouts(section, raw))
        assert fitting, f"{section.name}: no layout of the library reads it"
        for vmsd, state in fitting:
            assert vmsd.encode(state, version_id=section.version_id) == raw, section.name
        entry = described_by_qemu.get((section.name, section.instance_id))
        if entry is None or dialect is None:
            continue
        if is_old_style(section.name):
            assert entry == section.describe(dialect)
            continue
        described = [
            describe_device(section.name, section.instance_id, vmsd, state, dialect, section.version_id)
            for vmsd, state in fitting
        ]
        assert entry in [pairs_of(json_text(text)) for text in described], section.name


@pytest.mark.parametrize("file", STREAMS)
def test_a_stream_loads_without_its_vmdesc(file: str) -> None:
    data = without_vmdesc(plain(file))
    stream = load(data)
    assert stream.to_bytes() == data
    for section in known_sections(stream):
        assert section.described_by == "library", section.name


def test_without_vmdesc_and_footers() -> None:
    with opened(NO_ANYTHING) as stream:
        assert {section.described_by for section in stream.sections if not section.is_ram} == {"library"}
        assert facts_of(stream["cpu"].state)["target_long_size"] == 8
        assert stream["globalstate"].state.runstate.rstrip(b"\0") == b"prelaunch"


def test_an_array_of_pointers_whose_first_is_null() -> None:
    """QEMU 7.2 describes the channel-subsystem images by the first, which is NULL; number 254 is not."""
    section = opened(S390X)["s390_css"]
    assert section.described_by == "library"
    present = [number for number, image in enumerate(section.state.css) if image is not None]
    assert present == [0xFE]
    assert section.state.css[0xFE].chpids[0].is_virtual == 1


def structs(value: Any) -> Iterator[Any]:
    if is_state(value):
        yield value
        for _, part in items_of(value):
            yield from structs(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from structs(part)


@pytest.mark.parametrize("file", STREAMS[::8])
def test_qemu_writes_nothing_it_would_normalise(file: str) -> None:
    """A residue here would mean that a field of the library stands in the wrong place."""
    for section in known_sections(load(without_vmdesc(plain(file)))):
        left = {name for struct in structs(section.state) for name in residue_of(struct) if "unused" not in name}
        assert not left, section.name


@pytest.mark.parametrize("place", PLACES)
def test_a_place_of_the_index_is_a_description(place: str) -> None:
    module, _, name = place.partition(":")
    target = getattr(import_module(module), name)
    vmsd = getattr(target, "vmsd", target)
    assert isinstance(vmsd, VMStateDescription)
    assert vmsd.state_class is not None
    assert vmsd.state_class.__doc__
    vmsd.state_class()


@pytest.mark.slow
def test_the_places_of_devices_of_boards() -> None:
    for place in PLACES_OF_BOARDS:
        test_a_place_of_the_index_is_a_description(place)


def test_a_device_loads_only_what_it_is_made_of() -> None:
    code = (
        "import sys, vmstate; from vmstate.stream.registry import shipped_descriptions as find; find('i8259'); "
        "print(*sorted(name for name in sys.modules if name.startswith('vmstate.devices.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["vmstate.devices._index", "vmstate.devices.intc", "vmstate.devices.intc.i8259"]


# ---------------------------------------------------------------------------------------------------------------------
# What the library asks of the vocabulary.


def test_msix_says_how_long_it_is() -> None:
    with opened("qemu-7.2-q35-default-devices.mig.xz") as stream:
        xhci = stream["xhci"]
        assert facts_of(shipped_descriptions("xhci")[0].decode(xhci.payload()))["msix_vectors"] == 16


def config_with(place: int, next_place: int, capability: int) -> bytes:
    config = bytearray(256)
    config[0x34] = place
    config[place : place + 4] = bytes((capability, next_place, 4, 0x80))
    return bytes(config)


@pytest.mark.parametrize(
    ("config", "vectors"),
    [
        (bytes(256), 0),
        (config_with(0x40, 0, 0x11), 5),
        (config_with(0x40, 0, 0x05), 0),
        (config_with(0x40, 0x40, 0x05), 0),  # a list that leads back to itself ends too
        (config_with(0xFF - 3, 0, 0x11), 5),
    ],
)
def test_capabilities_are_a_linked_list(config: bytes, vectors: int) -> None:
    @description("device")
    class Device:
        config: bytes = buffer(256)
        table: bytes = buffer(msix_vectors(this.config) * 16)

    data = config + bytes(vectors * 16)
    assert len(Device.vmsd.decode(data).table) == vectors * 16


def test_a_variant_has_the_class_of_the_newest() -> None:
    old = variant(ISAKbd, kbd=struct(variant(Kbd, pending_tmp=uint8(name="pending"))))
    assert old.state_class is ISAKbd
    assert [field.name for field in old.fields[0].type.vmsd.fields] == ["write_cmd", "status", "mode", "pending"]
    sibling = variant(PCIIrqState, "sibling", 4)
    assert (sibling.name, sibling.version_id, sibling.minimum_version_id) == ("sibling", 4, 0)


def test_a_variant_without_a_subsection() -> None:
    (tray,) = (sub for sub in IDEDrive.vmsd.subsections if sub.attribute == "tray_state")
    old = variant(IDEDrive, tray_state=None)
    assert [sub for sub in IDEDrive.vmsd.subsections if sub is not tray] == list(old.subsections)
    assert tray not in old.subsections


def test_a_variant_of_a_field_that_is_not_there() -> None:
    with pytest.raises(DescriptionError, match="no field 'nothing' to declare otherwise"):
        variant(Kbd, nothing=uint8())


def test_a_field_that_a_variant_lacks_has_its_default() -> None:
    old = shipped_descriptions("sb16")[1]
    assert [field.name for field in old.fields][:5] == ["irq", "dma", "hdma", "port", "ver"]
    state = old.decode(old.encode(old.state_class(irq=5)))
    assert state.irq == 5
    newest = shipped_descriptions("sb16")[0]
    assert newest.decode(newest.encode(state)).irq == 0

"""What QEMU prints when it refuses a stream: the line of each release (vmstate.compare.log_lines finds them in a log).

A format is an interface fact: people search for these lines. Each function gives the part that is the same wherever
QEMU prints it; 11.1 puts other words around some. Facts from QEMU's migration/savevm.c, migration/vmstate.c,
migration/vmstate-types.c, migration/ram.c, system/physmem.c, hw/pci/pci.c and hw/virtio/virtio.c of several releases,
and from what 5.2, 7.2, 10.0 and 11.1 print.
"""

from __future__ import annotations

from vmstate.rules.pci_config import RefusedByte
from vmstate.vmsd.release import Release

_SIZE_WORDS = Release(5, 2)
_SECTION_WORDS = Release(10, 2)
_WIDE_FEATURES = Release(10, 2)
_NAMED_SUBSECTION = Release(10, 2)
_COLO_WORDS = Release(9, 1)


def _is_since(release: Release | None, first: Release) -> bool:
    """Whether a release has what came with another; one that is not known is taken for the newest."""
    return release is None or release >= first


def machine_type(received: str, local: str) -> str:
    """The machine types differ."""
    return f"Machine type received is '{received}' and local is '{local}'"


def target_page_bits(received: int, local: int) -> str:
    """The target's pages differ."""
    return f"Received TARGET_PAGE_BITS is {received} but local is {local}"


def capability(name: str, *, received: bool) -> str:
    """A migration capability is on at one side only."""
    own, came = ("off", "on") if received else ("on", "off")
    return f"Capability {name} is {own}, but received capability is {came}"


def uuid(received: str, local: str) -> str:
    """The machines' UUIDs differ."""
    return f"UUID received is {received} and local is {local}"


def unknown_command(number: int, length: int) -> str:
    """A command of the stream that the release does not have."""
    return f"MIG_CMD 0x{number:x} unknown (len 0x{length:x})"


def deprecated_command(number: int, length: int) -> str:
    """A command that the release knows and no longer takes."""
    return f"MIG_CMD 0x{number:x} deprecated (len 0x{length:x})"


def colo_is_off(release: Release | None) -> str:
    """The source asks for COLO, and the capability is off."""
    name = "x-colo" if _is_since(release, _COLO_WORDS) else "c-colo"
    return f"ENABLE_COLO command come in migration stream, but {name} capability is not set"


def received_bitmap_prefix(release: Release | None) -> str:
    """How the lines about RECV_BITMAP begin."""
    return "" if _is_since(release, _SECTION_WORDS) else "loadvm_handle_recv_bitmap: "


def unknown_capability(name: str) -> str:
    """A migration capability that the release does not know."""
    return f"Received unknown capability {name}"


def configuration_missing() -> str:
    """The stream has no configuration section; 10.2 and later print more behind it."""
    return "Configuration section missing"


def unknown_section_type(mark: int, release: Release | None) -> str:
    """A byte that opens no part of a stream."""
    return f"{_unknown_section(release)} type {mark}"


def _unknown_section(release: Release | None) -> str:
    """How lines about a section begin that is not there; of a release that is not known, the word that all have."""
    if release is None:
        return "section"
    return "Unknown section" if release >= _SECTION_WORDS else "Unknown savevm section"


def unknown_record(flags: int) -> str:
    """A record of RAM with flags that the release does not know."""
    return f"Unknown combination of migration flags: 0x{flags:x}"


def unexpected_compressed(release: Release | None, flags: int) -> str:
    """A compressed page where the capability is off, or the release has none."""
    if release is None or release < Release(9, 1):
        return "Received an unexpected compressed page"
    return unknown_record(flags)


def unknown_section(name: str, instance_id: int, release: Release | None) -> str:
    """The destination has no such section."""
    return (
        f"{_unknown_section(release)} or instance '{name}' {instance_id}. Make sure that your current VM setup matches "
        "your saved VM setup, including any hotplugged devices"
    )


def section_version(name: str, version: int, local: int) -> str:
    """A section has a version above the destination's."""
    return f"unsupported version {version} for '{name}' v{local}"


def too_new(name: str, version: int, local: int) -> str:
    """A description has a version above the destination's."""
    return f"{name}: incoming version_id {version} is too new for local version_id {local}"


def too_old(name: str, version: int, minimum: int, release: Release | None) -> str:
    """A description has a version below the destination's minimum; there are two spaces before 10.2.

    Where the release is not known, it is what the lines of all have.
    """
    if release is None:
        return f"{name}: incoming version_id {version} is too old for local minimum version_id"
    space = " " if _is_since(release, _SECTION_WORDS) else "  "
    return f"{name}: incoming version_id {version} is too old for local minimum version_id{space}{minimum}"


def unknown_subsection(name: str, of: str, section: str, instance_id: int, release: Release | None) -> str:
    """The destination does not know a subsection."""
    if _is_since(release, _NAMED_SUBSECTION):
        return f"VM subsection '{name}' in '{of}' does not exist"
    return while_loading(section, instance_id)


def missing_footer(name: str) -> str:
    """The destination reads a section as shorter or longer than it is."""
    return f"Missing section footer for {name}"


def while_loading(name: str, instance_id: int) -> str:
    """What is printed of every section that could not be loaded, whatever the reason."""
    return f"error while loading state for instance 0x{instance_id:x} of device '{name}'"


def not_equal(kind: str, value: int, local: int) -> str:
    """A value that the destination only compares is another there."""
    if kind == "int64 equal":
        return f"{local:x} != {value:x}"
    mask = (1 << {"uint8": 8, "uint16": 16}.get(kind.partition(" ")[0], 32)) - 1
    return f"{local & mask:x} != {value & mask:x}"


def not_above(value: int, local: int) -> str:
    """A value that the destination takes up to its own is above it, or negative."""
    return f"Invalid value {value} expecting positive value <= {local}"


def level_above(name: str, received: int, local: int) -> str:
    """A capability of the machine is higher than the destination's."""
    return f"{name} higher level ({received}) in incoming stream than on destination ({local})"


def ram_unknown(name: str) -> str:
    """The destination has no such RAM block."""
    return f'Unknown ramblock "{name}", cannot accept migration'


def ram_size(name: str, received: int, local: int, release: Release | None) -> str:
    """A RAM block that cannot change its size has another."""
    if _is_since(release, _SIZE_WORDS):
        return f"Size mismatch: {name}: 0x{received:x} != 0x{local:x}"
    return f"Length mismatch: {name}: 0x{received:x} in != 0x{local:x}"


def ram_too_large(name: str, received: int, largest: int, release: Release | None) -> str:
    """A RAM block that can change its size cannot become as large."""
    if _is_since(release, _SIZE_WORDS):
        return f"Size too large: {name}: 0x{received:x} > 0x{largest:x}"
    return f"Length too large: {name}: 0x{received:x} > 0x{largest:x}"


def pci_config(difference: RefusedByte) -> str:
    """A byte of a PCI configuration space differs where it must not."""
    return (
        f"get_pci_config_device: Bad config data: i=0x{difference.at:x} "
        f"read: {difference.read:x} device: {difference.device:x} "
        f"cmask: {difference.cmask:x} wmask: {difference.wmask:x} w1cmask:{difference.w1cmask:x}"
    )


def features(guest: int, host: int, release: Release | None) -> str:
    """The driver accepted features that the destination does not offer."""
    if _is_since(release, _WIDE_FEATURES):
        # What is not allowed has been taken away before it is printed.
        return f"Features 0x{guest & host:032x} unsupported. Allowed features: 0x{host:032x}"
    # A host without features above 31 looks at no others.
    shown = guest if host >> 32 else guest & 0xFFFFFFFF
    return f"Features 0x{shown:x} unsupported. Allowed features: 0x{host:x}"


def while_loading_part(section_id: int, name: str, release: Release | None) -> str:
    """What is printed of a part of a section that could not be loaded, where nothing else is."""
    if _is_since(release, _SECTION_WORDS):
        return "load of migration failed"
    return f"error while loading state section id {section_id}({name})"

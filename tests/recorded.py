"""The recorded streams, for the tests that read them."""

from __future__ import annotations

import json
import lzma
from functools import lru_cache
from pathlib import Path
from typing import Any

from vmstate import Stream, Vmdesc, describe, describe_device, load
from vmstate.schema.write import describe_old_style
from vmstate.stream.configuration import Configuration

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"

STREAMS = sorted(str(path.relative_to(FIXTURES)) for path in FIXTURES.rglob("*.mig.xz"))
MANIFEST: dict[str, dict[str, Any]] = {
    entry["file"]: entry for entry in json.loads((FIXTURES / "MANIFEST.json").read_text())["streams"]
}

MICROVM = "qemu-7.2-microvm-virtio-net-mmio.mig.xz"
BARE = "recorded/qemu-7.2-microvm-bare-cold.mig.xz"
NONE = "recorded/qemu-7.2-none.mig.xz"
S390X = "qemu-7.2-s390x-virtio-net-ccw.mig.xz"
TWO_SLIRPS = "qemu-7.2-q35-virtio-net-two.mig.xz"
NO_FOOTER = "recorded/qemu-7.2-microvm-no-footer-cold.mig.xz"
NO_CONFIGURATION = "recorded/qemu-7.2-microvm-no-configuration-cold.mig.xz"
NO_VMDESC = "recorded/qemu-7.2-microvm-no-vmdesc-cold.mig.xz"
NO_ANYTHING = "recorded/qemu-7.2-microvm-no-anything-cold.mig.xz"
POSTCOPY = "recorded/qemu-7.2-pc-postcopy.mig.xz"
MAPPED_RAM = "recorded/qemu-11.1-pc-mapped-ram-cold.mig.xz"


@lru_cache(maxsize=4)
def plain(file: str) -> bytes:
    """The bytes of a recorded stream."""
    return lzma.decompress((FIXTURES / file).read_bytes())


def opened(file: str, **how: Any) -> Stream:
    """A recorded stream, decoded."""
    return load(plain(file), **how)


@lru_cache(maxsize=4)
def vmdesc_of(file: str) -> Vmdesc:
    """The vmdesc of a recorded stream."""
    vmdesc = opened(file, library=False).vmdesc
    assert vmdesc is not None
    return vmdesc


def pairs_of(text: bytes | str) -> Any:
    """JSON with each object as the list of its pairs; an empty object is an empty tuple."""
    return json.loads(text, object_pairs_hook=lambda pairs: pairs or ())


def written_vmdesc(stream: Stream, vmdesc: Vmdesc) -> list[tuple[str, Any]]:
    """The whole vmdesc as the states of a stream say it, in the dialect, and with the page size, of another."""
    devices = []
    # What is iterable, such as RAM, is in vmdesc only where a description writes it.
    named = {(device.name, device.instance_id) for device in vmdesc.devices}
    for section in stream.sections:
        if section.kind != "full" or (section.name, section.instance_id) not in named:
            continue
        if section.vmsd is None:
            devices.append(describe_old_style(section.name, section.instance_id, len(section.state)))
        else:
            devices.append(
                describe_device(
                    section.name, section.instance_id, section.vmsd, section.state, vmdesc.dialect, section.version_id
                )
            )
    whole: list[tuple[str, Any]] = []
    if vmdesc.configuration is not None:
        whole.append(("configuration", describe(Configuration.vmsd, stream.configuration, vmdesc.dialect)[0]))
    if vmdesc.page_size is not None:
        whole.append(("page_size", vmdesc.page_size))
    return [*whole, ("devices", devices)]

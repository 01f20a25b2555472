"""The recorded streams, for the tests that read them."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from vmstate import Section, Stream, load
from vmstate.errors import VMStateError
from vmstate.events import find_vmdesc
from vmstate.qemu.provenance import read_provenance
from vmstate.schema import Vmdesc, read_vmdesc
from vmstate.stream.registry import shipped_descriptions
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import IDSTR

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"

# The seed of the fuzzer's findings goes with them (tests/test_fuzz_qemu.py).
STREAMS = sorted(
    str(path.relative_to(FIXTURES)) for path in FIXTURES.rglob("*.mig.xz") if FIXTURES / "fuzz" not in path.parents
)


def provenance_of(file: str) -> dict[str, Any]:
    """What is written beside a recorded file."""
    known = read_provenance(FIXTURES / file)
    assert known is not None, f"{file} has no provenance"
    return known


QUICK = (
    "recorded/qemu-5.2-q35-virtio-net-idle.mig.xz",
    "qemu-7.2-q35-virtio-net.mig.xz",
    "recorded/qemu-10.0-q35-mq2-cold.mig.xz",
    "qemu-11.1-q35-virtio-net-mq4.mig.xz",
)
"""A thin stream of each release: a test that is run for many streams is marked slow for all but these."""

PROVENANCE = {file: provenance_of(file) for file in STREAMS}
"""What is known of each stream: fixtures/README.md says what is in it."""

DUMPS = {
    file: provenance_of(file)
    for file in sorted(str(path.relative_to(FIXTURES)) for path in (FIXTURES / "dump-vmstate").glob("*.json.xz"))
}
"""What is known of each output of -dump-vmstate, and of what QEMU's own checker says of them."""

TRANSCRIPTS = {
    path.name.removesuffix("-source.jsonl"): provenance_of(f"vhost-user/{path.name.removesuffix('-source.jsonl')}")
    for path in sorted((FIXTURES / "vhost-user").glob("*-source.jsonl"))
}
"""What is known of each migration with a vhost-user back end, by its name."""

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


@lru_cache(maxsize=12)
def plain(file: str) -> bytes:
    """The bytes of a recorded stream."""
    return lzma.decompress((FIXTURES / file).read_bytes())


def opened(file: str, **how: Any) -> Stream:
    """A recorded stream, decoded."""
    return load(plain(file), **how)


@lru_cache(maxsize=12)
def vmdesc_of(file: str) -> Vmdesc:
    """The vmdesc of a recorded stream."""
    text = find_vmdesc(memoryview(plain(file)))
    assert text is not None
    return read_vmdesc(text)


def pairs_of(text: bytes | str) -> Any:
    """JSON with each object as the list of its pairs; an empty object is an empty tuple."""
    return json.loads(text, object_pairs_hook=lambda pairs: pairs or ())


BOARDS = sorted(path.name for path in (FIXTURES / "boards").glob("*.stream.xz"))
"""Thin streams of boards of PowerPC and s390x, each before a guest ran: fixtures/boards/commands.json says of which."""


def board(name: str) -> bytes:
    """The bytes of a board's stream."""
    return lzma.decompress((FIXTURES / "boards" / name).read_bytes())


def without_vmdesc(data: bytes) -> bytes:
    """A stream that ends where its vmdesc would begin."""
    text = find_vmdesc(memoryview(data))
    return data if text is None else data[: data.rindex(text) - 5]


def layouts(section: Section, raw: bytes) -> Iterator[tuple[VMStateDescription, Any]]:
    """The library's layouts that read the section, each with the state it makes of it."""
    for vmsd in shipped_descriptions(section.name):
        try:
            yield vmsd, vmsd.decode(raw, version_id=section.version_id, facts={IDSTR.name: section.name})
        except VMStateError:
            continue

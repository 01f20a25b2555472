"""The recorded streams, for the tests that read them."""

from __future__ import annotations

import json
import lzma
from functools import lru_cache
from pathlib import Path
from typing import Any

from vmstate import Stream, load
from vmstate.events import find_vmdesc
from vmstate.schema import Vmdesc, read_vmdesc

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"

# The seed of the fuzzer's findings goes with them (tests/test_fuzz_qemu.py).
STREAMS = sorted(
    str(path.relative_to(FIXTURES)) for path in FIXTURES.rglob("*.mig.xz") if FIXTURES / "fuzz" not in path.parents
)
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

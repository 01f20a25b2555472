"""The versions of the library's descriptions, against -dump-vmstate of QEMU and, for what no dump shows, its source.

An older version than the library knows is read all the same, so that recorded streams tell little of these numbers.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from typing import Any

import pytest
from recorded import FIXTURES

from vmstate.devices import INDEX
from vmstate.stream.registry import shipped_descriptions

Versions = dict[str, set[tuple[int, int]]]

# Of 7.2, and no dump of 7.2 is of a machine that has one; of Macintoshes, of which none is here.
IN_NO_DUMP: Versions = {"ipmi-bmc-sim": {(1, 1)}, "ide": {(5, 0)}}

# Behind what virtio saves by functions of its own no dump goes. Of all that are not named here both are 1.
VIRTIO: Versions = {
    "domain": {(1, 1), (2, 2)},
    "virtio-gpu-one-scanout": {(1, 0)},
    "virtio-gpu-scanouts": {(1, 0)},
    "virtio-iommu-device": {(1, 1), (2, 2)},
    "virtio-net-device": {(11, 11)},
    "virtio-net-device/rss": {(2, 1)},
}
WITHOUT_A_VERSION = {
    "s390_ind_addr_tmp",
    "s390_virtio_ccw_dev_tmp",
    "virtio-mem-device/sanity-checks",
    "virtio-net-device/backend",
    "virtio-net-queue-tx_waiting",
    "virtio-net-tx_waiting",
    "virtio-net-ufo",
    "virtio-net-vnet",
}


def in_a_dump(description: dict[str, Any]) -> Iterator[tuple[str, tuple[int, int]]]:
    yield description["name"], (description["version_id"], description["minimum_version_id"])
    inner = [field["Description"] for field in description.get("Fields", ()) if "Description" in field]
    for part in (*inner, *description.get("Subsections", ())):
        yield from in_a_dump(part)


@pytest.fixture(scope="module")
def dumped() -> Versions:
    versions: Versions = {}
    for file in sorted((FIXTURES / "dump-vmstate").glob("qemu-*.json.xz")):
        for entry in json.loads(lzma.decompress(file.read_bytes())).values():
            for name, numbers in in_a_dump(entry["Description"]) if "Description" in entry else ():
                versions.setdefault(name, set()).add(numbers)
    return versions


@pytest.fixture(scope="module")
def described() -> Versions:
    versions: Versions = {}
    for idstr in INDEX:
        for vmsd in shipped_descriptions(idstr):
            for part in vmsd.walk():
                versions.setdefault(part.name, set()).add((part.version_id, part.minimum_version_id))
    return versions


def test_the_versions_of_the_library_are_those_of_dumps(described: Versions, dumped: Versions) -> None:
    compared = described.keys() & dumped.keys()
    assert len(compared) > 250
    unknown = {name: described[name] - dumped[name] for name in compared}
    assert {name: numbers for name, numbers in unknown.items() if numbers} == IN_NO_DUMP


def test_the_newest_version_that_a_dump_shows_is_in_the_library(described: Versions, dumped: Versions) -> None:
    compared = described.keys() & dumped.keys()
    newest = {name: max(version for version, _ in dumped[name]) for name in compared}
    assert {name for name in compared if newest[name] not in {version for version, _ in described[name]}} == set()


def test_the_versions_of_what_virtio_saves_by_itself(described: Versions, dumped: Versions) -> None:
    """hw/virtio, hw/net/virtio-net.c, hw/display/virtio-gpu.c and hw/s390x of QEMU 10.1."""
    kinds = ("virtio", "virtqueue_", "packed_virtqueue_", "ringsize_", "s390_", "domain", "endpoint", "pcr_info_entry")
    # What has a space in its name is called so here: QEMU has no description for it.
    names = {name for name in described if name.startswith(kinds) and " " not in name} - dumped.keys()
    assert len(names) > 55
    for name in names:
        expected = {(0, 0)} if name in WITHOUT_A_VERSION else VIRTIO.get(name, {(1, 1)})
        assert described[name] == expected, name

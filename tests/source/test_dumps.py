"""What is read from QEMU's source is what QEMU says of itself: every description of -dump-vmstate, with its sizes."""

from __future__ import annotations

import json
import lzma

import pytest
from recorded import FIXTURES
from source_table import REVISIONS, TREES, described, dumped, recorded, recorded_file, shape, table, told

from vmstate.compare.compat import is_unlisted
from vmstate.source.linking import Linked
from vmstate.source.reading import read_tree

DUMPS = FIXTURES / "dump-vmstate"


def dump_text(name: str) -> str:
    """A recorded output of -dump-vmstate."""
    return lzma.decompress((DUMPS / f"{name}.json.xz").read_bytes()).decode()


@pytest.fixture(scope="module")
def qemu() -> Linked:
    return recorded()


@pytest.mark.parametrize(
    ("name", "count"), [("qemu-10.0-pc-q35-5.2", 300), ("qemu-10.0-s390-ccw-virtio-5.2", 30)]
)  # fmt: skip
def test_the_recorded_table_is_what_qemu_says(qemu: Linked, name: str, count: int) -> None:
    """The source was read once; bringing its names together, and nesting them, is done here."""
    said = dumped(dump_text(name))
    assert len(said) >= count
    ours = told(qemu)
    assert [name for dump, name in said.items() if dump not in ours] == []


def test_the_classes_have_the_descriptions_that_qemu_says(qemu: Linked) -> None:
    top = json.loads(dump_text("qemu-10.0-pc-q35-5.2"))
    devices = {name: shape(qemu.dump(unit, vmsd)) for name, unit, vmsd in qemu.devices()}
    known = [name for name in top if name in devices]
    assert len(known) > 190
    assert [name for name in known if devices[name] != shape(top[name]["Description"])] == []


def test_a_wrong_size_is_seen(qemu: Linked) -> None:
    text = dump_text("qemu-10.0-pc-q35-5.2")
    assert '"size": 2' in text
    ours = told(qemu)
    assert any(dump not in ours for dump in dumped(text.replace('"size": 2', '"size": 3')))


def test_structs_in_structs_are_looked_at() -> None:
    inner = {"name": "b", "version_id": 1, "minimum_version_id": 1, "Fields": []}
    field = {"field": "f", "version_id": 0, "field_exists": False, "size": 4, "Description": inner}
    outer = {"name": "a", "version_id": 1, "minimum_version_id": 1, "Fields": [field], "Subsections": [inner]}
    assert [each["name"] for each in described(outer)] == ["a", "b", "b"]


WITHOUT = "set VMSTATE_QEMU_SOURCE to source trees of QEMU 10.0 or 7.2 (DIR or REPOSITORY@REVISION, with : between)"


@pytest.mark.slow
@pytest.mark.skipif(not TREES, reason=WITHOUT)
@pytest.mark.parametrize("name", TREES or ["none"])
def test_a_tree_is_what_qemu_says(name: str) -> None:
    """Read anew: a release that the table or a dump is of has to be equal to it."""
    tree = read_tree(name)
    release = f"{tree.release.major}.{tree.release.minor}" if tree.release is not None else "none"
    dumps = sorted(file.name.removesuffix(".json.xz") for file in DUMPS.glob(f"qemu-{release}-*.json.xz"))
    assert dumps, f"no dump of release {release} is recorded"
    units = json.loads(lzma.decompress(recorded_file(release).read_bytes()))["units"]
    assert json.loads(json.dumps(table(tree))) == units
    ours = told(Linked(tree), release != "7.2")
    # Changed in the stable branch, after the first release of the series.
    later = {"pflash_cfi01", "pflash_cfi01_blk_write"} if release == "7.2" else set()
    for dump in dumps:
        unequal = {description for content, description in dumped(dump_text(dump)).items() if content not in ours}
        assert unequal <= later, dump


@pytest.mark.parametrize("release", REVISIONS)
def test_what_is_registered_by_hand_is_not_looked_for_in_a_dump(release: str) -> None:
    """-dump-vmstate lists the vmsd of each device class, and nothing else."""
    units = json.loads(lzma.decompress(recorded_file(release).read_bytes()))["units"]
    by_hand, of_classes = set(), set()
    for unit in units:
        names = {vmsd["symbol"]: vmsd["name"] for vmsd in unit.get("descriptions", ()) if "name" in vmsd}
        by_hand |= {call.get("idstr") or names.get(call.get("vmsd")) for call in unit.get("registrations", ())}
        of_classes |= {names.get(kind.get("vmsd")) for kind in unit.get("types", ())}
    assert len(by_hand) > 25
    assert {idstr for idstr in by_hand - of_classes - {None} if not is_unlisted(idstr)} == set()
    assert all(is_unlisted(idstr) for idstr in ("ipmi-bmc-extern", "onenand", "tsc2102"))

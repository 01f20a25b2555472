"""Golden streams are recorded again from their manifest, and what may differ between two recordings is written down."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from machines import GUEST, PROGRAM, ROOTS, needs_guest, needs_qemu
from recorded import FIXTURES, PROVENANCE, plain

from vmstate import VMStateError, load
from vmstate.errors import MachineError
from vmstate.lab.golden import (
    BEYOND,
    differences,
    main,
    may_differ,
    name_of,
    read_recordings,
    recipes_of,
    record,
)

LIST = FIXTURES / "may-differ.json"
ENTRIES = read_recordings(FIXTURES)
CHEAP = "microvm-bare-cold"
BOOTED = "idle-early"

RELEASES = [pytest.param(None, id="system"), *(pytest.param(root, id=Path(root).name) for root in ROOTS)]


def machine_of(entry: dict[str, Any]) -> tuple[Any, ...]:
    """What is the same for two recordings of one machine; names of files and interfaces are not."""
    argv = [re.sub(r"DIR/[\w.-]+", "DIR/x", re.sub(r"ifname=\w+", "ifname=x", word)) for word in entry["argv"]]
    return (entry["qemu_version"], *argv, *entry.get("capabilities", ()), *(entry.get("guest") or ()))


def same_machines() -> Iterator[tuple[str, str]]:
    """Recordings of one machine at the same moment, two by two."""
    groups = defaultdict(list)
    for entry in ENTRIES:
        if (
            entry.get("argv")
            and entry.get("moment", "early") == "early"
            and not any(entry.get(word) for word in BEYOND)
        ):
            groups[machine_of(entry)].append(entry["file"])
    for files in groups.values():
        yield from combinations(files, 2)


TWINS = sorted(same_machines())


@pytest.mark.parametrize(("recorded", "again"), TWINS[::2], ids=str)
def test_only_what_may_differ_differs(recorded: str, again: str) -> None:
    """Guests were booted each time: everything but the list and noise came out the same."""
    differing = differences(plain(recorded), plain(again), may_differ(LIST))
    assert differing.changes == []
    assert not differing.identical


def test_the_recorded_machines_are_there_twice() -> None:
    assert len(TWINS) >= 12
    assert {PROVENANCE[name]["qemu_version"] for name, _ in TWINS} >= {"7.2", "11.1"}


def test_each_row_says_what_and_why() -> None:
    """A row whose section is in no recorded stream, or that two machines need, could hide what it should not."""
    rows = json.loads(LIST.read_text())
    assert all(row["why"] and row["paths"] for row in rows)
    paths = may_differ(LIST)
    assert len(set(paths)) == len(paths)
    early, final = (f"pairs/qemu-7.2-mq4-rss-on-{moment}.mig.xz" for moment in ("early", "final"))
    assert any("rss" in str(change.path) for change in differences(plain(early), plain(final), paths).changes)


@pytest.mark.parametrize("left_out", ["cpu.env.lstar", "*.vq.desc", "i8254.channels[2]"])
def test_without_a_row_it_shows(left_out: str) -> None:
    kept = [path for path in may_differ(LIST) if path != left_out]
    assert len(kept) < len(may_differ(LIST))
    first, second = (f"pairs/qemu-7.2-{name}-early.mig.xz" for name in ("idle", "vlan-add"))
    differing = differences(plain(first), plain(second), kept)
    wanted = left_out.replace("*.", "").partition("[")[0].rpartition(".")[2]
    assert differing.changes and all(wanted in str(change.path) for change in differing.changes)


def test_the_manifest_is_the_recipes() -> None:
    recipes, left = recipes_of(ENTRIES)
    streams = {moment.name for recipe in recipes for moment in recipe.moments}
    assert {name_of(entry) for entry in ENTRIES} <= streams | left.keys() | finals(left)
    by_name = {recipe.name: recipe for recipe in recipes}
    assert [moment.name for moment in by_name["vlan-add-early"].moments] == ["vlan-add-early", "vlan-add-final"]
    assert by_name["vlan-add-early"].moments[1].lines[-1] == "ip link set eth0.77 up"
    assert by_name["q35-virtio-net"].moments[0].lines == ("ip addr", "ping -c 2 10.0.2.2")
    assert by_name[CHEAP].boots is False and by_name[BOOTED].boots is True
    # Most of the manifest can be recorded again, and what cannot says why.
    assert len(recipes) >= 50 and all(left.values())


def test_a_release_has_its_own_recipe() -> None:
    """5.2 has fewer devices: what it recorded under a name is not what 7.2 did."""
    argv = {
        release: next(recipe.argv for recipe in recipes_of(ENTRIES, release)[0] if recipe.name == "q35-devices-cold")
        for release in ("5.2", "7.2", "99.0")
    }
    assert argv["5.2"] == tuple(PROVENANCE["recorded/qemu-5.2-q35-devices-cold.mig.xz"]["argv"])
    assert argv["7.2"] == tuple(PROVENANCE["recorded/qemu-7.2-q35-devices-cold.mig.xz"]["argv"])
    assert argv["5.2"] != argv["7.2"] == argv["99.0"]


def finals(left: dict[str, str]) -> set[str]:
    return {f"{name.removesuffix('-early')}-final" for name in left}


@pytest.mark.qemu
@needs_qemu
@pytest.mark.parametrize("root", RELEASES)
def test_a_recipe_is_recorded_twice_alike(root: str | None, tmp_path: Path) -> None:
    recipe = next(recipe for recipe in recipes_of(ENTRIES)[0] if recipe.name == CHEAP)
    first, again = (record(recipe, tmp_path / name, root=root)[0] for name in ("first", "again"))
    file = first["file"]
    assert file == again["file"] == f"recorded/qemu-{first['qemu_version']}-{CHEAP}.mig.xz"
    assert differences(tmp_path / "first" / file, tmp_path / "again" / file, ()).changes == []
    if file in PROVENANCE:
        assert differences(plain(file), tmp_path / "again" / file, ()).changes == []
        assert all(again[key] == PROVENANCE[file][key] for key in ("argv", "capabilities"))
    with load(tmp_path / "first" / file) as stream:
        assert len(stream.to_bytes()) == first["size"]


@pytest.mark.qemu
@needs_qemu
@needs_guest
def test_a_booted_guest_is_recorded_at_both_moments(tmp_path: Path) -> None:
    recipe = next(recipe for recipe in recipes_of(ENTRIES)[0] if recipe.name == "vlan-add-early")
    early, final = record(recipe, tmp_path, guest=GUEST)
    assert [entry["moment"] for entry in (early, final)] == ["early", "final"]
    with load(tmp_path / early["file"]) as early_stream, load(tmp_path / final["file"]) as final_stream:
        before, after = (set(stream["virtio-net"].state.net.vlan_ids) for stream in (early_stream, final_stream))
    assert after - before == {77}
    assert 77 in final["rx_filter"][0]["vlan-table"] and 77 not in early["rx_filter"][0]["vlan-table"]


@pytest.mark.qemu
@needs_qemu
def test_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VMSTATE_QEMU_ROOTS", raising=False)
    streams = str(FIXTURES)
    out = tmp_path / "out"
    assert main([streams, "-o", str(out), "none", "q35-stopped", "pc-xbz*", "--guest", "nowhere"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 3 and told[0].startswith("recorded/qemu-")
    assert told[1:] == [
        "q35-stopped: no recipe: its command line was not kept",
        "pc-xbzrle: no recipe: it was driven by more than its command line and its guest (guest_code, parameters)",
    ]
    (entry,) = read_recordings(out)
    assert entry.keys() >= {"file", "sha256", "size", "qemu_version", "argv"} and (out / entry["file"]).exists()
    # A machine that this QEMU has not got, and one that needs a guest where there is none.
    words = [streams, "-o", str(tmp_path / "no"), BOOTED, "--guest", "nowhere"]
    assert main(words) == 2
    output = capsys.readouterr()
    assert output.out == f"{BOOTED}: not recorded by the system's QEMU: it needs a guest: make guest, or " + (
        "VMSTATE_GUEST=FOLDER\n"
    )
    assert output.err == "vmstate: nothing was recorded\n"
    assert not (tmp_path / "no").exists()


def test_what_cannot_be_recorded_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.json"
    for text in ("{}", "[", '{"streams": [{"file": "x"}]}', '{"streams": 3}'):
        bad.write_text(text)
        assert main([str(bad), "-o", str(tmp_path / "out")]) == 2
        assert main([str(tmp_path / "nowhere.json"), "-o", str(tmp_path / "out")]) == 2
        assert [line.count("\n") for line in capsys.readouterr().err.splitlines()] == [0, 0]
        with pytest.raises(VMStateError, match="what may differ"):
            may_differ(bad)
    assert main([str(FIXTURES), "-o", str(tmp_path / "out"), "no-such"]) == 2
    capsys.readouterr()
    recipe = next(recipe for recipe in recipes_of(ENTRIES)[0] if recipe.name == CHEAP)
    with pytest.raises(MachineError, match="the root has no such"):
        record(recipe, tmp_path / "out", root=tmp_path)
    with pytest.raises(MachineError, match="there is no qemu-system-nosuch"):
        record(recipe.replace(argv=("qemu-system-nosuch", *recipe.argv[1:])), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert recipe.argv[0] == PROGRAM

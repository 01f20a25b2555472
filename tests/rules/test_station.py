"""The address of a network card, in every place where the card keeps it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from recorded import ROOT

from vmstate import load
from vmstate.cli import main
from vmstate.errors import VMStateError
from vmstate.rules.edit import assign
from vmstate.rules.station import address_of, addresses
from vmstate.saved.scrub import mac_forms

RECORDED = ROOT / "fixtures" / "recorded"
NEW = "52:57:99:fe:10:dc"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "least"),
    [
        ("qemu-7.2-pc-devices-cold", 7),
        ("qemu-10.0-q35-devices-cold", 2),
        ("qemu-7.2-isapc-cold", 1),
    ],
)
def test_every_copy_of_an_address_is_changed_and_changed_back(file: str, least: int) -> None:
    with load(RECORDED / f"{file}.mig.xz") as stream:
        before = stream.to_bytes()
        known = addresses(stream)
        assert len(known) >= least
        for number, old in known.items():
            section = stream.sections[number]
            name = f"{section.name}#{section.instance_id}.mac"
            changes = assign(stream, f"{name}={NEW}")
            assert (changes[0].before, changes[0].after) == (old, NEW) or name.endswith("virtio-net#0.mac")
            assert address_of(stream, section) == NEW
            device = section.name.rpartition("/")[0] + "/"
            left = b"".join(each.payload() for each in stream.sections if each.name.startswith(device))
            assert not [form for form in mac_forms(bytes.fromhex(old.replace(":", ""))) if form in left], name
            assign(stream, f"{name}={old}")
        assert stream.to_bytes() == before


def test_what_the_guest_gave_a_card_stays() -> None:
    with load(RECORDED / "qemu-7.2-pc-devices-cold.mig.xz") as stream:
        assign(stream, "rtl8139.phys=020000000001")
        changes = assign(stream, f"rtl8139.mac={NEW}")
        assert [change.path for change in changes[:2]] == ["mac", "conf.macaddr"]
        assert bytes(stream.find("rtl8139.phys")[2]) == bytes.fromhex("020000000001")


def test_an_address_that_is_none_and_a_device_that_has_none() -> None:
    with load(RECORDED / "qemu-7.2-pc-devices-cold.mig.xz") as stream:
        with pytest.raises(VMStateError, match="such as 52:54:00:12:34:56"):
            assign(stream, "rtl8139.mac=52:54:00")
        with pytest.raises(VMStateError, match="there is no 'mac'"):
            assign(stream, f"fw_cfg.mac={NEW}")


def test_show_tells_the_address(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(RECORDED / "qemu-7.2-pc-devices-cold.mig.xz")
    for card in ("e1000e", "vmxnet3", "tulip", "pcnet"):
        assert main(["show", file, f"{card}.mac"]) == 0
        assert capsys.readouterr().out.startswith("52:54:00:12:34:")


@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="apt-get install qemu-system-x86")
def test_a_machine_that_is_made_with_the_address_has_the_same_bytes(tmp_path: Path) -> None:
    """QEMU's own stream of the machine with other addresses, but for its clock."""
    from vmstate.qemu.machine import Machine
    from vmstate.qemu.migration import save

    cards = [
        "e1000",
        "e1000-82545em",
        "e1000e",
        "rtl8139",
        "pcnet",
        "vmxnet3",
        "ne2k_pci",
        "tulip",
        "i82557b",
        "i82801",
        "virtio-net-pci",
    ]
    files = []
    for first in ("52:54:00:aa:00", "52:57:99:fe:10"):
        options = ["qemu-system-x86_64", "-S", "-M", "pc", "-m", "16", "-nodefaults", "-accel", "tcg"]
        for number, card in enumerate(cards):
            mac = f"mac={first}:{number:02x}"
            options += ["-netdev", f"user,id=n{number}", "-device", f"{card},netdev=n{number},{mac},romfile="]
        files.append(tmp_path / f"{len(files)}.mig")
        with Machine(options) as machine:
            save(machine, files[-1])
    with load(files[0]) as ours, load(files[1]) as theirs:
        wanted = addresses(theirs)
        assert len(wanted) == len(cards)
        assign(ours, *(f"{theirs.sections[number].name}.mac={address}" for number, address in wanted.items()))
        for changed, section in zip(ours.sections, theirs.sections, strict=True):
            if not section.is_ram and section.name != "mc146818rtc":
                assert changed.payload() == section.payload(), section.name


@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="apt-get install qemu-system-arm")
@pytest.mark.parametrize(
    ("board", "card", "count"),
    [
        ("xilinx-zynq-a9", "cadence_gem", 2),
        ("imx25-pdk", "imx.fec", 1),
        ("highbank", "xgmac", 2),
        ("kzm", "lan9118", 1),
    ],
)
def test_a_board_that_is_made_with_the_address_has_the_same_bytes(
    board: str, card: str, count: int, tmp_path: Path
) -> None:
    from vmstate.qemu.machine import Machine
    from vmstate.qemu.migration import save

    files = []
    for first in ("52:54:00:aa:00", "56:57:99:fe:10"):
        options = ["qemu-system-arm", "-S", "-M", board, "-accel", "tcg,tb-size=16", "-serial", "none"]
        for number in range(count):
            options += ["-nic", f"user,mac={first}:{number:02x}"]
        files.append(tmp_path / f"{len(files)}.mig")
        with Machine(options) as machine:
            save(machine, files[-1])
    with load(files[0]) as ours, load(files[1]) as theirs:
        cards = [number for number, section in enumerate(theirs.sections) if section.name == card]
        assert len(cards) == count
        wanted = addresses(theirs)
        names = [card] if count == 1 else [f"{card}#{number}" for number in range(count)]
        before = [ours[name].payload() for name in names]
        assign(ours, *(f"{name}.mac={wanted[number]}" for name, number in zip(names, cards, strict=True)))
        after = [theirs.sections[number].payload() for number in cards]
        assert [ours[name].payload() for name in names] == after
        assert all(old != new for old, new in zip(before, after, strict=True))

"""Which command line loads a stream: made of what the devices say of themselves, traced to the bytes, tried on QEMU."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from machines import ROOTS, needs_qemu
from recorded import FIXTURES, ROOT
from saved_files import LIBVIRT, plain

from vmstate import load
from vmstate.cli import main
from vmstate.devices import INDEX
from vmstate.devices.arm import models
from vmstate.devices.misc.models import SD_CARD, sd_bytes
from vmstate.errors import QueryError
from vmstate.events import Vmdescription
from vmstate.lab.incoming import QemuDestination
from vmstate.lab.spelling import spelled
from vmstate.qemu.machine import Machine, find_qemu
from vmstate.qemu.migration import save
from vmstate.query.cmdline import Builder, CommandLine, command_line, models_of
from vmstate.saved.libvirt import domain_cpu
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.release import Release

ZOO = FIXTURES / "qemu-7.2-q35-virtio-zoo2-cold.mig.xz"
PORTS = FIXTURES / "qemu-7.2-q35-smp4-rootports.mig.xz"
MICROVM = FIXTURES / "qemu-7.2-microvm-virtio-net-mmio.mig.xz"
ARM = FIXTURES / "qemu-7.2-aarch64-virt-virtio-net-pci.mig.xz"
S390X = FIXTURES / "recorded" / "qemu-7.2-s390x-virtio-devices.mig.xz"
RSS = FIXTURES / "qemu-7.2-q35-virtio-net-rss.mig.xz"
QXL = FIXTURES / "recorded" / "qemu-5.2-q35-qxl-cold.mig.xz"
EXPANDED = FIXTURES / "recorded" / "qemu-10.0-q35-devices3-cold.mig.xz"
DEVICES = FIXTURES / "recorded" / "qemu-7.2-pc-devices-cold.mig.xz"
PC = FIXTURES / "recorded" / "qemu-7.2-pc-devices2-cold.mig.xz"


def line_of(path: Path, *, without_vmdesc: bool = False) -> CommandLine:
    with load(path) as stream:
        if not without_vmdesc:
            return command_line(stream)
        data = bytes_without_vmdesc(stream)
    with load(data) as cut:
        return command_line(cut)


def bytes_without_vmdesc(stream: Stream) -> bytes:
    stream.parts = [part for part in stream.parts if not isinstance(part, Vmdescription)]
    return stream.to_bytes()


def values(line: CommandLine, option: str) -> list[str]:
    return [item.words[1] for item in line.options if item.words[0] == option]


def properties(value: str) -> dict[str, str]:
    return dict(part.partition("=")[::2] for part in value.split(",")[1:])


@pytest.mark.slow
@pytest.mark.parametrize("path", [ZOO, PORTS, MICROVM, ARM, PC], ids=lambda path: path.name)
def test_the_library_says_what_the_vmdesc_says(path: Path) -> None:
    assert line_of(path).argv == line_of(path, without_vmdesc=True).argv


def test_machine_memory_and_processors() -> None:
    line = line_of(PORTS)
    assert line.program == "qemu-system-x86_64"
    assert values(line, "-M") == ["pc-q35-7.2,memory-backend=m0"]
    assert values(line, "-smp") == ["4"] and values(line, "-m") == ["96M"]
    assert values(line, "-object") == ["memory-backend-ram,id=m0,size=96M,share=on"]
    assert line.capabilities == ("x-ignore-shared",)


def test_a_device_sits_behind_its_port() -> None:
    devices = values(line_of(PORTS), "-device")
    ports = {properties(value)["id"]: value for value in devices if value.startswith("pcie-root-port,")}
    card = next(value for value in devices if value.startswith("virtio-net-pci,"))
    assert len(ports) == 2 and properties(ports[properties(card)["bus"]])["addr"] == "0x1"
    assert properties(card)["disable-legacy"] == "on"


def test_the_ids_of_the_space_tell_the_model() -> None:
    devices = values(line_of(PC), "-device")
    assert [value.partition(",")[0] for value in devices if "vga" in value.lower()] == [
        "VGA",
        "secondary-vga",
        "bochs-display",
    ]
    assert any(value.startswith("isa-ipmi-kcs,") and "bmc=" in value for value in devices)


def test_queues_and_vectors_show() -> None:
    line = line_of(RSS)
    card = properties(next(value for value in values(line, "-device") if value.startswith("virtio-net-pci,")))
    assert (card["mq"], card["rss"], card["hash"], card["vectors"]) == ("on", "on", "on", "10")
    assert values(line, "-netdev") == ["tap,id=net0,script=no,downscript=no,queues=4"]
    assert any("tap device" in text for text in line.missing)


def test_channel_devices_and_transports() -> None:
    names = [value.partition(",")[0] for value in values(line_of(S390X), "-device")]
    assert {"virtio-blk-ccw", "virtio-net-ccw", "virtio-gpu-ccw", "virtserialport"} <= set(names)
    card = next(value for value in values(line_of(MICROVM), "-device"))
    assert card.startswith("virtio-net-device,") and properties(card)["bus"] == "virtio-mmio-bus.23"


def test_the_registers_tell_the_arm_processor() -> None:
    line = line_of(ARM)
    assert line.program == "qemu-system-aarch64" and values(line, "-cpu") == ["cortex-a57"]


def test_what_is_on_by_an_option_of_isapc_and_a_card_without_a_place() -> None:
    with load(FIXTURES / "recorded" / "qemu-7.2-isapc-cold.mig.xz") as stream:
        assert values(command_line(stream), "-M") == ["isapc"]
        stream.parts = [part for part in stream.parts if not (isinstance(part, Section) and part.name == "i8259")]
        (machine,) = values(command_line(stream), "-M")
    assert machine == "isapc,pic=off"
    assert [model.name for model in models_of("ccid-card-passthru")] == ["ccid-card-passthru"]


def test_vectors_of_an_arm_processor_that_are_shorter_than_256_bits() -> None:
    """Without 256 bits QEMU 11.1 takes the products of matrices of doubles out of ID_AA64ZFR0."""
    system = 0x6030_0000_0013_0000
    registers = {models.PMCR: 0x41010000, models.ZCR: 0, models.ZFR0: 0x0110110101210022, models.MMFR0: 1 << 28}

    def told(release: Release, registers: dict[int, int]) -> object:
        asked = {
            "cpreg_vmstate_indexes": [system | register for register in registers],
            "cpreg_vmstate_values": list(registers.values()),
        }

        class Asked:
            def __call__(self, name: str) -> object:
                return asked[name]

        asks: Any = Asked()
        asks.release = release
        (model,) = [model for model in models.CPU if model.name == "max"]
        assert model.when is not None and model.when(asks)
        return model.properties["sve256"](asks)

    short = registers | {models.ZFR0: 0x0010110101210022}
    assert told(Release(11, 1), registers) is None and told(Release(11, 1), short) is False
    assert told(Release(5, 2), short) is None
    del short[models.ZCR]
    assert told(Release(11, 1), short) is None


EXPECTED = {
    "pxb-pcie": "bus_nr=64 addr=0x9",
    "pcie-root-port": "bus=dev1 addr=0x1 disable-acs=on",
    "virtio-balloon-pci": "bus=dev13 page-per-vq=on",
    "i82801b11-bridge": "bus=pcie.0 addr=0x2",
    "pci-bridge": "bus=dev2 addr=0x1 chassis_nr=7 msi=off",
    "pcie-pci-bridge": "msi=off",
    "dc390": "addr=0x3",
    "cirrus-vga": "global-vmstate=on vgamem_mb=8",
    "ramfb": "",
    "smbus-ipmi": "bmc=dev0",
    "intel-hda": "msi=on old_msi_addr=on",
    "hda-output": "bus=dev5.0",
    "nec-usb-xhci": "msi=off",
    "usb-bot": "bus=dev6.0 port=1",
    "megasas-gen2": "msi=on msix=off",
    "mptsas1068": "msi=off",
    "virtio-net-pci-non-transitional": "romfile=rom-262144.bin netdev=net0",
}
"""Device -> what its properties are known to be, of those that were given when the stream was recorded."""


def test_properties_that_show_in_the_configuration_space_and_in_names() -> None:
    line = line_of(EXPANDED)
    devices = {value.partition(",")[0]: properties(value) for value in values(line, "-device")}
    for name, expected in EXPECTED.items():
        assert devices[name].items() >= dict(word.split("=") for word in expected.split()).items(), name
    assert "msix" not in devices["nec-usb-xhci"] and "disable-legacy" not in devices["virtio-net-pci-non-transitional"]
    assert values(line, "-icount") == ["shift=0"]
    assert any("the shift of -icount" in text for text in line.missing)


def test_the_cards_of_spice() -> None:
    devices = values(line_of(QXL), "-device")
    cards = {value.partition(",")[0]: properties(value) for value in devices}
    assert cards["qxl-vga"].items() >= {"ram_size_mb": "32", "vram_size_mb": "16", "surfaces": "1024"}.items()
    assert cards["qxl"].items() >= {"ram_size_mb": "64", "vram_size_mb": "16", "surfaces": "64"}.items()
    # What an interface speaks for is there before it, though its section comes later.
    assert devices[0].startswith("ipmi-bmc-sim,id=dev0") and cards["pci-ipmi-kcs"]["bmc"] == "dev0"


def test_a_bridge_that_an_expander_brings_is_no_device_of_its_own() -> None:
    """pxb of i440fx: the device behind is on the bus that is called as the expander is."""
    with load(PC) as stream:
        names = [section.name for section in stream.sections]
        for name in names:
            if name.endswith("/pci_bridge"):
                rename(stream, name, "0000:40:13.0:00.0/pci_bridge")
            if name.endswith("/i6300esb_wdt"):
                rename(stream, name, "0000:40:13.0:00.0:05.0/i6300esb_wdt")
        devices = values(command_line(stream), "-device")
    (expander,) = [value for value in devices if value.startswith("pxb,")]
    (behind,) = [value for value in devices if value.startswith("i6300esb,")]
    (card,) = [value for value in devices if value.startswith("VGA,")]
    assert properties(expander)["bus_nr"] == "64" and properties(expander)["addr"] == "0x13"
    assert properties(behind)["bus"] == properties(expander)["id"] and properties(behind)["addr"] == "0x5"
    assert properties(card)["bus"] == "pci.0"
    assert not any(value.startswith("pci-bridge,") for value in devices)


def test_a_hub_is_there_before_what_is_plugged_into_it() -> None:
    with load(DEVICES) as stream:
        rename(stream, "0000:00:0d.0/2/usb-ccid", "0000:00:0d.0/1.2/usb-ccid")
        devices = [
            value for value in values(command_line(stream), "-device") if value.startswith(("usb-hub", "usb-ccid"))
        ]
    hub, reader = map(properties, devices)
    assert (hub["port"], reader["port"]) == ("1", "1.2") and hub["bus"] == reader["bus"]


def test_the_xml_of_libvirt_names_the_processor() -> None:
    with load(plain(LIBVIRT)) as stream:
        line = command_line(stream)
    assert values(line, "-cpu") == ["qemu64"]
    assert line.missing[0] == "the model of the processor is that of libvirt's XML (-cpu)"
    feature = "<feature policy='disable' name='x2apic'/>"
    assert domain_cpu(f"<domain><cpu><model>Haswell</model>{feature}</cpu></domain>".encode()) == "Haswell,x2apic=off"
    for cpu in ("<cpu mode='host-passthrough'/>", "", "<cpu><model>a,b -S</model></cpu>", "<cpu/>"):
        assert domain_cpu(f"<domain>{cpu}</domain>".encode()) is None


def test_a_port_that_no_section_tells_of_is_one_of_cxl() -> None:
    told = "the place of a port that has a bus and no state (cxl-rp) is not in the stream"
    assert told not in line_of(PORTS).missing
    with load(PORTS) as stream:
        stream.parts.remove(next(section for section in stream if section.name == "0000:00:02.0/pcie-root-port"))
        devices = values(command_line(stream), "-device")
        (port,) = [value for value in devices if value.startswith("cxl-rp,")]
        (behind,) = [value for value in devices if properties(value).get("bus") == properties(port)["id"]]
        assert properties(port)["addr"] == "0x2" and behind.startswith("virtio-rng-pci,")
        stream.parts.remove(next(section for section in stream if section.name.endswith("/virtio-rng")))
        line = command_line(stream)
    assert told in line.missing and "bus=pcie.0" in next(text for text in line.argv if text.startswith("cxl-rp,"))


def test_what_is_guessed_and_what_is_lacking_is_told() -> None:
    missing = line_of(ZOO).missing
    assert "0000:00:07.0/0:0:0/scsi-disk: scsi-hd is taken; it may be scsi-cd" in missing
    assert "0000:00:09.0/virtio-console: port 1 is a virtserialport; it may be a virtconsole" in missing
    lacking = "the guest's memory is not in the stream: what stood in it has to come with its file"
    assert lacking in missing and lacking not in line_of(FIXTURES / "recorded" / "qemu-7.2-pc-ram-cold.mig.xz").missing
    cards = [value for value in values(line_of(DEVICES), "-device") if value.startswith(("pcnet,", "ne2k", "i8255"))]
    assert cards and all("mac=52:54:00:" in value for value in cards)


def test_a_disk_behind_a_controller_that_is_not_on_pci() -> None:
    with load(S390X) as stream:
        rng = next(section.name for section in stream.sections if section.name.endswith("/virtio-rng"))
        controller = next(section.name for section in stream.sections if section.name.endswith("/virtio-scsi"))
        rename(stream, rng, f"{controller.rpartition('/')[0]}/0:2:1/scsi-disk")
        devices = values(command_line(stream), "-device")
    (card,) = [value for value in devices if value.startswith("virtio-scsi-ccw,")]
    (drive,) = [value for value in devices if value.startswith("scsi-hd,")]
    assert properties(drive)["bus"] == f"{properties(card)['id']}.0"
    assert (properties(drive)["scsi-id"], properties(drive)["lun"]) == ("2", "1")


def rename(stream: Stream, name: str, new: str) -> None:
    section = stream[name]
    section.header = section.header.replace(name=new)


def test_every_part_has_the_bytes_that_it_came_from() -> None:
    with load(ZOO) as stream:
        line = command_line(stream)
        data = bytes(stream.source or b"")
    disk = next(option for option in line.options if option.words[1:2] and "virtio-blk-pci" in option.words[1])
    (origin,) = disk.sources["num-queues=4"]
    assert origin.offset is not None
    assert int.from_bytes(data[origin.offset : origin.offset + origin.size], "big") == 4
    (origin,) = disk.sources["virtio-blk-pci"]
    assert origin.offset is not None
    assert data[origin.offset : origin.offset + origin.size] == b"0000:00:06.0/virtio-blk"


def test_every_model_that_a_device_names_is_there() -> None:
    named = {idstr for idstr in INDEX if models_of(idstr)}
    assert {"qxl", "vga-isa", "smbus-ipmi", "ipmi-interface-pci-kcs", "ipmi-interface-pci-bt"} <= named
    assert {"virtio-net", "e1000", "xhci", "pcie-root-port", "i82550", "nvme"} <= named
    assert len(named) > 80


def test_a_machine_that_nobody_knows_is_one_line() -> None:
    with load(FIXTURES / "recorded" / "qemu-11.1-riscv64-virt-cold.mig.xz") as stream:
        assert stream.configuration is not None
        stream.configuration.name = "sifive_u"
        with pytest.raises(QueryError, match="nothing is known of this machine type"):
            command_line(stream)


def bite(stream: Stream, name: str, bytes_at: dict[int, bytes]) -> None:
    """Write into the configuration space of a device."""
    section = stream[name]
    for path, entry in section.trace().items():
        if getattr(entry.field, "type", None) is not None and entry.field.type.info == "pci config":
            _, steps, value = stream.find(f"{section.name}.{path}")
            bitten = bytearray(value)
            for at, data in bytes_at.items():
                bitten[at : at + len(data)] = data
            owner = section.state
            for step in steps[:-1]:
                owner = owner[step] if isinstance(owner, dict) else getattr(owner, str(step))
            if isinstance(owner, dict):
                owner[steps[-1]] = bytes(bitten)
            else:
                setattr(owner, str(steps[-1]), bytes(bitten))
            return


def test_a_bitten_state_has_no_traceback() -> None:
    """A configuration space whose capabilities point at themselves ends; a list with no end would hang."""
    with load(PORTS) as stream:
        bite(stream, "0000:00:01.0/pcie-root-port", {0x34: b"\x40", 0x40: b"\x05\x40"})
        assert command_line(stream).options


def test_the_registers_tell_an_emmc_and_its_size() -> None:
    emmc, card = SD_CARD
    csd = [0] * 16
    assert emmc.when is not None and not emmc.when({"csd": csd}.get) and card.when is None
    csd[0], csd[5:11] = 0xD0, [0x5A, 0x80, 0x1F, 0xFF, 0xFF, 0xC0]
    asked = _Asked({"csd": csd})
    assert emmc.when(asked) and sd_bytes(asked) == 64 << 20
    csd[5:8] = [0x59, 0x8F, 0xFF]
    assert sd_bytes(_Asked({"csd": csd}, 65)) == 8 << 30


class _Asked(dict[str, Any]):
    """Registers, and the number of words for groups."""

    def __init__(self, registers: dict[str, Any], words: int | None = None) -> None:
        super().__init__(registers)
        self._words = words

    def __call__(self, path: str) -> Any:
        return self[path]

    def fact(self, _: str) -> int | None:
        return self._words


def test_a_card_without_extended_registers() -> None:
    with load(PC) as stream:
        usual = next(value for value in values(command_line(stream), "-device") if value.startswith("VGA,"))
        bite(stream, "0000:00:02.0/vga", {0x08: b"\x00"})
        without = next(value for value in values(command_line(stream), "-device") if value.startswith("VGA,"))
    assert "qemu-extended-regs" not in usual and properties(without)["qemu-extended-regs"] == "off"


@pytest.mark.parametrize(
    ("types", "multiplier", "told"), [((1, 2, 3), 4, (None, None)), ((1, 2, 2), 4096, (True, True))]
)
def test_where_queues_are_notified(
    types: tuple[int, ...], multiplier: int, told: tuple[bool | None, bool | None]
) -> None:
    """Capabilities by their type: a second of type 2 is a port; a multiplier of 4096 makes pages."""
    places = {0x40 + 0x20 * number: kind for number, kind in enumerate(types)}
    space = SimpleNamespace(
        capabilities=lambda identifier: tuple(places) if identifier == 9 else (),
        byte=lambda at: places[at - 3],
        long=lambda at: multiplier,
    )
    model = next(model for model in models_of("virtio-net") if model.name == "virtio-net-pci")
    ask = SimpleNamespace(space=space)
    assert (model.properties["modern-pio-notify"](ask), model.properties["page-per-vq"](ask)) == told


@pytest.mark.parametrize(("release", "processors"), [(Release(4, 1), 2), (Release(4, 2), 16), (None, 16)])
def test_each_processor_has_eight_queues_and_up_to_4_1_eight_threads(release: Release | None, processors: int) -> None:
    builder: Any = SimpleNamespace(_length=lambda kind, path: (128, ()), machine_release=release)
    assert Builder.possible_processors(builder) == (processors, ())


@pytest.mark.parametrize(("release", "of_rng"), [(Release(7, 1), None), (Release(7, 2), 4), (None, 4)])
def test_the_property_for_vectors_is_one_of_virtio_rng_from_7_2_on(release: Release | None, of_rng: int | None) -> None:
    space = SimpleNamespace(capability=lambda identifier: 0x40, word=lambda at: 0x8003)
    ask = SimpleNamespace(space=space, release=release)
    for name, vectors in (("virtio-rng", of_rng), ("virtio-net", 4)):
        model = next(model for model in models_of(name) if model.name == f"{name}-pci")
        assert model.properties["vectors"](ask) == vectors


def test_what_stands_behind_devices_and_what_all_transports_share() -> None:
    zoo = line_of(ZOO)
    assert values(zoo, "-fsdev") == ["synth,id=fsdev0"]
    assert not any("stand-in" in text for text in zoo.missing)
    assert values(line_of(MICROVM), "-global") == ["virtio-mmio.force-legacy=off"]


def test_the_verb_prints_a_line_for_a_shell(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["cmdline", str(PORTS), "--explain", "--files", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("qemu-system-x86_64 \\\n  -M pc-q35-7.2,memory-backend=m0 \\\n")
    assert "    # vectors=4: 0x" in text
    assert [file.stat().st_size for file in tmp_path.iterdir()] == [262144]


RELEASES = {"7.2": None, **{os.path.basename(root.rstrip("/")): root for root in ROOTS}}
REAL = (
    ("7.2", "qemu-7.2-q35-virtio-zoo2-cold.mig.xz"),
    ("7.2", "qemu-7.2-s390x-virtio-net-ccw.mig.xz"),
    ("7.2", "recorded/qemu-7.2-pc-devices2-cold.mig.xz"),
    ("7.2", "recorded/qemu-7.2-q35-devices-cold.mig.xz"),
    ("7.2", "recorded/qemu-7.2-microvm-bare-cold.mig.xz"),
    ("10.0", "recorded/qemu-10.0-q35-virtio-devices-cold.mig.xz"),
    ("10.0", "recorded/qemu-10.0-q35-devices3-cold.mig.xz"),
    ("11.1", "recorded/qemu-11.1-pc-devices-cold.mig.xz"),
    ("5.2", "recorded/qemu-5.2-pc-devices-cold.mig.xz"),
)


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@pytest.mark.parametrize(("release", "name"), REAL)
def test_a_real_qemu_loads_it(release: str, name: str, tmp_path: Path) -> None:
    """The stream alone in an empty folder, its vmdesc cut off."""
    if release not in RELEASES:
        pytest.skip(f"needs a root with QEMU {release} (VMSTATE_QEMU_ROOTS)")
    path = tmp_path / "alone.mig"
    with load(ROOT / "fixtures" / name) as stream:
        path.write_bytes(bytes_without_vmdesc(stream))
    with load(path) as stream:
        line = command_line(stream, folder=str(tmp_path))
    if RELEASES[release] is None and shutil.which(line.program) is None:
        pytest.skip(f"needs {line.program}")
    for file, size in line.files.items():
        with (tmp_path / file).open("wb") as made:
            made.truncate(size)
    line = spelled(line, line.program, root=RELEASES[release])
    qemu = find_qemu(line.program, RELEASES[release])
    with QemuDestination(path, [*line.argv, "-S"], qemu=qemu, capabilities=line.capabilities, limit=60) as destination:
        outcome = destination.feed()
    assert outcome.accepted, (outcome.error, line.argv)


RARE = {
    "q35": "-device tpci200 -device ipoctal232 -device ipmi-bmc-extern,chardev=c,id=b -device isa-ipmi-bt,bmc=b "
    "-device qemu-xhci -device usb-redir,chardev=d -device usb-ccid,id=r -device ccid-card-passthru,chardev=e "
    "-chardev null,id=c -chardev null,id=d -chardev null,id=e -object can-bus,id=can -device kvaser_pci,canbus=can "
    "-device mioe3680_pci,canbus0=can,canbus1=can -device pcm3680_pci,canbus0=can,canbus1=can "
    "-device ctucan_pci,canbus0=can,canbus1=can -chardev null,id=f -chardev null,id=g -chardev null,id=h "
    "-chardev null,id=i -device pci-serial-4x,chardev1=f,chardev2=g,chardev3=h,chardev4=i",
    "pc-q35-7.2": "-cpu qemu64,apic=off -device virtio-rng-pci",
    "pc-i440fx-2.0": "-device virtio-rng-pci",
    "pc-q35-7.1": "-object memory-backend-ram,id=m,size=16M,x-use-canonical-path-for-ramblock-id=on "
    "-machine memory-backend=m -drive if=pflash,driver=null-co,size=256K,read-zeroes=on",
    "pc-i440fx-7.2": "-global PIIX4_PM.x-not-migrate-acpi-index=on",
    "q35,cxl=on": "-device pxb-cxl,bus_nr=96,id=a -device cxl-rp,bus=a,id=b,chassis=1,addr=3 "
    "-device cxl-upstream,bus=b,id=c -device cxl-downstream,bus=c,id=d,chassis=2,addr=2 -device virtio-rng-pci,bus=d "
    "-device cxl-rp,bus=a,id=e,chassis=3",
    "s390-ccw-virtio": "-device pci-bridge,id=a,chassis_nr=1 -device pci-bridge,bus=a,chassis_nr=2,addr=3",
}
"""Machine -> devices whose back ends are objects and chardevs, and those without a place or a section."""


@pytest.mark.qemu
@needs_qemu
@pytest.mark.parametrize("machine", RARE)
def test_rare_devices_and_what_stands_behind_them(machine: str, tmp_path: Path) -> None:
    program = f"qemu-system-{'s390x' if machine.startswith('s390') else 'x86_64'}"
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    path = tmp_path / "alone.mig"
    words = [program, "-M", machine, "-accel", "tcg", "-m", "16", "-nodefaults", *RARE[machine].split(), "-S"]
    with Machine(words, limit=60) as started:
        save(started, str(path), limit=60)
    with load(path) as stream:
        line = command_line(stream)
    names = {value.partition(",")[0] for value in values(line, "-device")}
    assert names >= {
        word.partition(",")[0] for word, before in zip(words[1:], words, strict=False) if before == "-device"
    }
    with QemuDestination(path, [*line.argv, "-S"], limit=60) as destination:
        outcome = destination.feed()
    assert outcome.accepted, (outcome.error, line.argv)

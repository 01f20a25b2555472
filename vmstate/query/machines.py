"""What the machine types of QEMU bring along by themselves, and what their options are seen by.

Facts from QEMU's hw/i386 (pc.c, pc_piix.c, pc_q35.c, microvm.c), hw/arm/virt.c, hw/s390x/s390-virtio-ccw.c and
hw/ppc/spapr.c, and from `query-pci` of machines without devices.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from vmstate.vmsd.data import NamedTuple


class Family(NamedTuple):
    """A family of machine types.

    `prefixes` are how their names begin, `program` which QEMU has them. `memory` is the RAM block of -m. `built_in` are
    the PCI functions (slot, function) on the root bus that the machine brings, `brings` the other sections, by the last
    parts of their idstrs, that are no device of the command line. `switches`: option of the machine -> the kind of
    section that is there while it is on. `firmware`: bytes of the RAM block of the usual firmware, by its name.
    `mmio`: the address of the first virtio-mmio transport, and the bytes from one to the next. `sign`: a kind of
    section that is there in this family and in no other whose names begin alike.
    """

    name: str
    prefixes: tuple[str, ...]
    program: str
    memory: str
    built_in: Collection[tuple[int, int]] = ()
    brings: Collection[str] = ()
    switches: Mapping[str, str] = {}
    firmware: Mapping[str, int] = {}
    mmio: tuple[int, int] | None = None
    sign: str | None = None


_X86 = frozenset(
    (
        "timer",
        "slirp",
        "cpu_common",
        "cpu",
        "kvm-tpr-opt",
        "kvmclock",
        "apic",
        "fw_cfg",
        "PCIHost",
        "PCIBUS",
        "dma",
        "i8259",
        "ioapic",
        "hpet",
        "mc146818rtc",
        "i8254",
        "pcspk",
        "serial",
        "ps2kbd",
        "ps2mouse",
        "pckbd",
        "vmmouse",
        "port92",
        "i2c_bus",
        "acpi_build",
        "globalstate",
        "ram",
        "smbus-eeprom",
        "dirty-bitmap",
        "block",
        "audio",
        "eeprom",
        "i2c-ddc",
        "pflash_cfi01",
    )
)

_PC_SWITCHES = {"hpet": "hpet", "vmport": "vmmouse", "pit": "i8254", "pic": "i8259", "i8042": "pckbd"}

FAMILIES = (
    Family("none", ("none",), "qemu-system-x86_64", "ram", (), {"timer", "globalstate", "ram"}),
    Family(
        "q35",
        ("pc-q35-", "q35"),
        "qemu-system-x86_64",
        "pc.ram",
        {(0, 0), (0x1F, 0), (0x1F, 2), (0x1F, 3)},
        _X86,
        {**_PC_SWITCHES, "sata": "ich9_ahci", "smbus": "ich9_smb"},
        {"pc.bios": 0x40000, "pc.rom": 0x20000},
    ),
    Family(
        "pc",
        ("pc-i440fx-", "pc-0.", "pc-1.", "pc"),
        "qemu-system-x86_64",
        "pc.ram",
        {(0, 0), (1, 0), (1, 1), (1, 3)},
        _X86 | {"fdc"},
        _PC_SWITCHES,
        {"pc.bios": 0x40000, "pc.rom": 0x20000},
    ),
    Family(
        "isapc",
        ("isapc",),
        "qemu-system-x86_64",
        "pc.ram",
        (),
        _X86 | {"fdc", "isa-ide"},
        {switch: kind for switch, kind in _PC_SWITCHES.items() if switch != "hpet"},
        {"pc.bios": 0x20000},
    ),
    Family(
        "microvm",
        ("microvm",),
        "qemu-system-x86_64",
        "microvm.ram",
        {(0, 0)},
        _X86 | {"acpi-ged", "xhci-sysbus"},
        {"pit": "i8254", "pic": "i8259", "rtc": "mc146818rtc", "acpi": "acpi-ged"},
        {"pc.bios": 0x20000},
        (0xFEB00000, 0x200),
    ),
    Family(
        "riscv-virt",
        ("virt",),
        "qemu-system-riscv64",
        "riscv_virt_board.ram",
        {(0, 0)},
        {
            "timer",
            "slirp",
            "pflash_cfi01",
            "cpu_common",
            "cpu",
            "riscv_mtimer",
            "riscv_sifive_plic",
            "riscv_aplic",
            "riscv_imsic",
            "riscv_iommu",
            "goldfish_rtc",
            "serial",
            "gpex_root",
            "PCIHost",
            "PCIBUS",
            "fw_cfg",
            "virt_acpi_build",
            "globalstate",
            "ram",
            "audio",
        },
        mmio=(0x10001000, 0x1000),
        sign="goldfish_rtc",
    ),
    Family(
        "virt",
        ("virt",),
        "qemu-system-aarch64",
        "mach-virt.ram",
        {(0, 0)},
        {
            "timer",
            "slirp",
            "pflash_cfi01",
            "cpu_common",
            "cpu",
            "arm_gic",
            "arm_gicv3",
            "arm_gicv3_its",
            "smmuv3",
            "pl011",
            "pl031",
            "pl061",
            "gpio-key",
            "gpex_root",
            "PCIHost",
            "PCIBUS",
            "fw_cfg",
            "virt_acpi_build",
            "acpi-ged",
            "globalstate",
            "ram",
            "audio",
        },
        {},
        {},
        (0x0A000000, 0x200),
    ),
    Family(
        "s390-ccw",
        ("s390-ccw-virtio",),
        "qemu-system-s390x",
        "s390.ram",
        (),
        {
            "timer",
            "slirp",
            "ram",
            "s390-storage_attributes",
            "sclpquiesce",
            "sclpcpuhotplug",
            "vmstate-event-facility",
            "s390-skeys",
            "cpu_common",
            "cpu",
            "qemu-s390-flic",
            "ipl",
            "PCIHost",
            "PCIBUS",
            "s390_css",
            "sclpconsole",
            "todclock",
            "globalstate",
            "s390_control_program_id",
            "audio",
        },
    ),
    Family(
        "pseries",
        ("pseries",),
        "qemu-system-ppc64",
        "ppc_spapr.ram",
        (),
        {
            "timer",
            "slirp",
            "ram",
            "cpu_common",
            "cpu",
            "globalstate",
            "PCIHost",
            "PCIBUS",
            "spapr",
            "spapr/htab",
            "spapr_pci",
            "spapr_iommu",
            "spapr_nvram",
            "spapr_vty",
            "icp/server",
            "ics",
            "xics",
            "spapr-xive",
            "xive-source",
            "xive-tctx",
            "spapr_cpu",
            "spapr/rtc",
            "spapr_drc_unplug",
            "spapr_drc",
            "spapr_drc/physical",
            "spapr_rtas_event_log",
            "ppc_timebase",
            "timebase",
            "audio",
        },
    ),
)


def family_of(machine: str | None, kinds: Collection[str]) -> Family | None:
    """The family of a machine type, or of the last parts of the idstrs of a stream that does not say its type."""
    if machine is not None:
        named = (family for family in FAMILIES if machine.startswith(family.prefixes))
        return next((family for family in named if family.sign is None or family.sign in kinds), None)
    told = (
        ("mch", "q35"),
        ("I440FX", "pc"),
        ("s390_css", "s390-ccw"),
        ("goldfish_rtc", "riscv-virt"),
        ("virt_acpi_build", "virt"),
        ("spapr", "pseries"),
        ("apic", "microvm"),
    )
    name = next((name for kind, name in told if kind in kinds), None)
    return next((family for family in FAMILIES if family.name == name), None)

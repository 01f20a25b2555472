"""The machines and the cases of `rules_truth`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Fresh(NamedTuple):
    """A struct with the values that its class gives it: a subsection that was not there, one more element of a list.

    A value that is text stands for bytes in hexadecimal.
    """

    struct: str
    values: Mapping[str, Any] = MappingProxyType({})
    facts: Mapping[str, Any] = MappingProxyType({})
    """What the host knows of the section and no byte of it said so far."""


class Case(NamedTuple):
    """A rule, as `rule_pairs` names its place, and changes that break it: (path, value) each.

    `kept` are changes that come as near as can be and that QEMU takes. `note` says why QEMU's answer is of this rule,
    where its line does not.
    """

    rule: str
    changes: tuple[tuple[str, str | Fresh], ...]
    kept: tuple[tuple[str, str | Fresh], ...] = ()


class Recorded(NamedTuple):
    """A machine that cases are recorded with: the release of its QEMU and the command line.

    With `refuses_itself` it does not take what it saved itself, which is what its cases are about.
    """

    release: str
    argv: tuple[str, ...]
    cases: tuple[Case, ...]
    refuses_itself: bool = False


def case(rule: str, *changes: tuple[str, str | Fresh], kept: tuple[tuple[str, str | Fresh], ...] = ()) -> Case:
    """A case; see there."""
    return Case(rule, changes, kept)


def since(name: str, section: str, path: str) -> Case:
    """A subsection that a later release brought."""
    return case(f"known-since@{name}", (f"{section}.{path}", Fresh(name)))


def reenlightenment(control: int) -> Fresh:
    """What a guest of Hyper-V has asked for."""
    return Fresh("cpu/msr_hyperv_reenlightenment", {"msr_hv_reenlightenment_control": control})


def options(*words: str) -> list[str]:
    """`-device` before each of the words."""
    return [word for device in words for word in ("-device", device)]


def drives(count: int) -> list[str]:
    """Block devices d0, d1, ... that hold nothing."""
    return [w for n in range(count) for w in ("-blockdev", f"null-co,node-name=d{n},size=1048576")]


REQUEST = Fresh("virtio-blk request", {"queue": 1}, {"virtio_packed_offered": False})

GPU_RESOURCE = {"resource_id": 7, "width": 1, "format": 1}

Q35 = Recorded(
    "7.2",
    (
        *("qemu-system-x86_64", "-M", "q35,suppress-vmdesc=on", "-accel", "tcg", "-nodefaults", "-vga", "std"),
        *("-m", "16,slots=2,maxmem=512M", *drives(4)),
        *(
            "-chardev",
            "null,id=c0",
            "-chardev",
            "null,id=c1",
            "-chardev",
            "null,id=c2",
            "-netdev",
            "user,id=n0",
            "-netdev",
            "user,id=n1",
        ),
        *("-object", "memory-backend-ram,id=vm0,size=16M"),
        *options(
            "pcie-root-port,id=rp,chassis=1",
            "virtio-net-pci,netdev=n0,romfile=",
            "i82550,romfile=,netdev=n1",
            "virtio-blk-pci,drive=d0,num-queues=2",
            "ide-hd,drive=d1,bus=ide.0",
            "virtio-scsi-pci,id=s0",
            "scsi-hd,drive=d2,bus=s0.0",
            "virtio-serial-pci,id=vs",
            "virtconsole,chardev=c0",
            "virtserialport,chardev=c1,name=x",
            "virtio-balloon-pci",
            "virtio-gpu-pci",
            "virtio-mem-pci,memdev=vm0",
            "isa-fdc",
            "piix3-usb-uhci",
            "pci-serial,chardev=c2",
            "sdhci-pci",
            "sd-card,drive=d3",
        ),
    ),
    (
        case(
            "ahci-busy-slot@ahci port.busy_slot",
            ("ich9_ahci.ahci.dev[0].busy_slot", "32"),
            kept=(("ich9_ahci.ahci.dev[0].busy_slot", "-1"),),
        ),
        case("ahci-dma-engine@ahci port.cmd", ("ich9_ahci.ahci.dev[0].cmd", "0x8006")),
        case("ahci-fis-engine@ahci port.cmd", ("ich9_ahci.ahci.dev[0].cmd", "0x4006")),
        case(
            "ahci-mapped@ich9_ahci.ahci",
            ("ich9_ahci.ahci.dev[0].cmd", "0x17"),
            ("ich9_ahci.ahci.dev[0].lst_addr_hi", "0x100"),
            ("ich9_ahci.ahci.dev[0].fis_addr_hi", "0x100"),
        ),
        case("ahci-ncq-used@ncq state.halt", ("ich9_ahci.ahci.dev[0].ncq_tfs[0].used", "true")),
        case(
            "ahci-ncq-halted@ncq state.halt",
            ("ich9_ahci.ahci.dev[0].ncq_tfs[0].used", "true"),
            ("ich9_ahci.ahci.dev[0].ncq_tfs[0].halt", "true"),
            ("ich9_ahci.ahci.dev[0].ncq_tfs[0].slot", "40"),
        ),
        case("globalstate-runstate@globalstate.runstate", ("globalstate.runstate[0]", "0x71")),
        since("cpu/apx", "cpu", "apx"),
        since("cpu/cet", "cpu", "cet"),
        since("cpu/error_code", "cpu", "error_code"),
        since("cpu/fred", "cpu", "fred"),
        since("cpu/msr_hwcr", "cpu", "msr_hwcr"),
        since("cpu/msr_pl0_ssp", "cpu", "msr_pl0_ssp"),
        since("cpu/xen_vcpu", "cpu", "xen_vcpu"),
        since("i8259/ltim", "i8259#0", "ltim"),
        since("scsi-disk/pr", "scsi-disk", "pr"),
        since("sd-card/ext_csd_modes-state", "sd-card", "ext_csd_modes_state"),
        since("virtio-gpu/blob", "virtio-gpu", "blob"),
        since("virtio-net-device/backend", "virtio-net", "virtio.net.backend"),
        case(
            "virtio-gpu-resource-ids@virtio-gpu",
            ("virtio-gpu.gpu.resources", Fresh("virtio-gpu resource", GPU_RESOURCE)),
            ("virtio-gpu.gpu.resources", Fresh("virtio-gpu resource", GPU_RESOURCE)),
            kept=(("virtio-gpu.gpu.resources", Fresh("virtio-gpu resource", GPU_RESOURCE)),),
        ),
        case(
            "virtio-gpu-formats@virtio-gpu",
            ("virtio-gpu.gpu.resources", Fresh("virtio-gpu resource", {**GPU_RESOURCE, "format": 5})),
            kept=(("virtio-gpu.gpu.resources", Fresh("virtio-gpu resource", {**GPU_RESOURCE, "format": 134})),),
        ),
        case(
            "virtio-gpu-backing@virtio-gpu",
            ("virtio-gpu.gpu.resources", Fresh("virtio-gpu resource", GPU_RESOURCE)),
            ("virtio-gpu.gpu.resources[0].iov_cnt", "1"),
            ("virtio-gpu.gpu.resources[0].backing", Fresh("virtio-gpu backing")),
        ),
        case("virtio-gpu-shown@virtio-gpu", ("virtio-gpu.gpu.scanouts.first_scanout.resource_id", "1")),
        since("virtio/128bit_features", "virtio-balloon", "virtio.virtio.features128"),
        since(
            "virtio_pci/modern_state/features128",
            "virtio-balloon",
            "virtio.virtio.extra_state.extra_state.modern_state.features128",
        ),
        case("pci-config@PCIDevice.conventional_config", ("mch.parent_obj.conventional_config[2]", "0xc1")),
        case(
            "pci-irq-state@pci irq state.pins",
            ("mch.parent_obj.irq_state.pins[0]", "2"),
            kept=(("mch.parent_obj.irq_state.pins[0]", "1"),),
        ),
        case("serial-transmitter@serial", ("serial.state.lsr", "0")),
        case("value-equal@PCIBUS.nirq", ("PCIBUS#0.nirq", "7")),
        case(
            "value-equal@PCIDevice.version_id",
            ("mch.parent_obj.version_id", "3"),
            kept=(("mch.parent_obj.version_id", "1"),),
        ),
        case("value-equal@PCIE_AER_ERROR_LOG.log_max", ("pcie-root-port.aer_log.log_max", "7")),
        case("value-equal@ahci.ports", ("ich9_ahci.ahci.ports", "5")),
        case("value-equal@eeprom.size", ("eeprom.size", "63")),
        case("value-equal@fdc.num_floppies", ("fdc.state.num_floppies", "1")),
        case("value-equal@uhci.num_ports_vmstate", ("uhci.num_ports_vmstate", "3")),
        case("value-equal@vga.is_vbe_vmstate", ("vga.vga.is_vbe_vmstate", "0")),
        case("value-equal@virtio-gpu-scanouts.max_outputs", ("virtio-gpu.gpu.scanouts.max_outputs", "2")),
        case("value-equal@vmmouse.queue_size", ("vmmouse.queue_size", "1023")),
        case("vapic-rom@kvm-tpr-opt", ("kvm-tpr-opt.state", "1")),
        case("virtio-features@virtio body.virtio", ("virtio-scsi.virtio.virtio.features64.guest_features", "0x100000")),
        case("virtio-mem-block-size@virtio-mem-device/sanity-checks.block_size", ("virtio-mem.block_size", "4194304")),
        case("virtio-mem-memaddr@virtio-mem-device/sanity-checks.addr", ("virtio-mem.addr", "0x140000000")),
        case("virtio-mem-memdev@virtio-mem-device/sanity-checks.region_size", ("virtio-mem.region_size", "33554432")),
        case("virtio-mem-node@virtio-mem-device/sanity-checks.node", ("virtio-mem.node", "1")),
        case(
            "virtio-net-mac-table@virtio-net-device.in_use",
            ("virtio-net.macs", "525400000001" * 65),
            kept=(("virtio-net.macs", "525400000001" * 64),),
        ),
        case("virtio-net-ufo@virtio-net-ufo.has_ufo", ("virtio-net.virtio.net.has_ufo.has_ufo", "1")),
        case(
            "virtio-net-vnet-hdr@virtio-net-vnet.has_vnet_hdr", ("virtio-net.virtio.net.has_vnet_hdr.has_vnet_hdr", "1")
        ),
        case(
            "virtio-pci-config-vector@virtio-pci config.config_vector",
            ("virtio-blk.virtio.transport.config_vector", "3"),
            kept=(("virtio-blk.virtio.transport.config_vector", "2"),),
        ),
        case(
            "virtio-pci-device-id@virtio-pci config",
            ("virtio-blk.conventional_config[2]", "0"),
            kept=(("virtio-blk.conventional_config[46]", "1"),),
        ),
        case(
            "virtio-pci-vector@virtio queue.vector",
            ("virtio-blk.virtio.vq[0].vector", "3"),
            kept=(("virtio-blk.virtio.vq[0].vector", "2"),),
        ),
        case("virtio-queue-address@virtio queue.last_avail_idx", ("virtio-blk.virtio.vq[0].last_avail_idx", "1")),
        case(
            "virtio-queue-inuse@virtio body.virtio",
            ("virtio-scsi.virtio.vq[0].desc", "0x1000"),
            ("virtio-scsi.virtio.vq[0].last_avail_idx", "0xffff"),
        ),
        case(
            "virtio-queue-sel@virtio body.queue_sel",
            ("virtio-scsi.virtio.queue_sel", "1024"),
            kept=(("virtio-scsi.virtio.queue_sel", "1023"),),
        ),
        case("virtio-queues@virtio body.num_queues", ("virtio-scsi.virtio.num_queues", "1025")),
        case("virtio-serial-max-ports@virtio-serial body.ports_map", ("virtio-console.virtio.ports_map[0]", "7")),
        case("virtio-serial-port@virtio-serial port.id", ("virtio-console.virtio.ports[0].id", "5")),
        case("virtio-gpu-outputs@virtio-gpu-scanouts.max_outputs", ("virtio-gpu.gpu.scanouts.max_outputs", "0")),
        case(
            "virtio-blk-queue@virtio-blk request.queue",
            ("virtio-blk.virtio.requests", REQUEST),
            ("virtio-blk.virtio.requests[0].queue", "2"),
            kept=(("virtio-blk.virtio.requests", REQUEST),),
        ),
        case(
            "virtqueue-element-in@virtqueue element.in_num",
            ("virtio-blk.virtio.requests", REQUEST),
            ("virtio-blk.virtio.requests[0].elem.in_num", "1025"),
        ),
        case(
            "virtqueue-element-out@virtqueue element.out_num",
            ("virtio-blk.virtio.requests", REQUEST),
            ("virtio-blk.virtio.requests[0].elem.out_num", "1025"),
        ),
        case("x86-efer32@cpu/efer32", ("cpu.efer32", Fresh("cpu/efer32", {"efer": 1}))),
        case("x86-fpregs-format@cpu.fpregs_format_vmstate", ("cpu.fpregs_format_vmstate", "1")),
    ),
)

X86 = ("qemu-system-x86_64", "-accel", "tcg", "-nodefaults", "-m", "16")

PC = Recorded(
    "7.2",
    (
        *(*X86, "-M", "pc,suppress-vmdesc=on", *drives(1)),
        *options("vmware-svga", "ide-hd,drive=d0,bus=ide.0", "mptsas1068", "lsi53c895a", "vmxnet3", "e1000e"),
    ),
    (
        case("lsi-message@lsiscsi", ("lsiscsi.msg_len", "9"), kept=(("lsiscsi.msg_len", "8"),)),
        case("mptsas-diagnostic@mptsas", ("mptsas.diagnostic_idx", "5"), kept=(("mptsas.diagnostic_idx", "4"),)),
        case("mptsas-doorbell@mptsas", ("mptsas.doorbell_cnt", "257"), kept=(("mptsas.doorbell_cnt", "256"),)),
        case("mptsas-queues@mptsas", ("mptsas.reply_post_head", "130"), kept=(("mptsas.reply_post_head", "129"),)),
        case("e1000e-subsys@e1000e.subsys", ("e1000e.subsys", "1")),
        case("e1000e-subsys-ven@e1000e.subsys_ven", ("e1000e.subsys_ven", "1")),
        case(
            "vmxnet3-rx-interrupt@vmxnet3",
            ("vmxnet3.rxq_num", "1"),
            ("vmxnet3.rxq_descr[0].intr_idx", "25"),
            kept=(
                ("vmxnet3.rxq_num", "1"),
                ("vmxnet3.rxq_descr[0].intr_idx", "24"),
                ("vmxnet3.rxq_descr[1].intr_idx", "25"),
            ),
        ),
        case(
            "vmxnet3-tx-interrupt@vmxnet3",
            ("vmxnet3.txq_num", "2"),
            ("vmxnet3.txq_descr[1].intr_idx", "255"),
            kept=(
                ("vmxnet3.txq_num", "2"),
                ("vmxnet3.txq_descr[1].intr_idx", "24"),
                ("vmxnet3.txq_descr[2].intr_idx", "255"),
            ),
        ),
        case(
            "vmxnet3-event-interrupt@vmxnet3.event_int_idx",
            ("vmxnet3.event_int_idx", "25"),
            kept=(("vmxnet3.event_int_idx", "24"),),
        ),
        case("vmxnet3-rx-queues@vmxnet3.rxq_num", ("vmxnet3.rxq_num", "9"), kept=(("vmxnet3.rxq_num", "8"),)),
        case("vmxnet3-tx-queues@vmxnet3.txq_num", ("vmxnet3.txq_num", "9"), kept=(("vmxnet3.txq_num", "8"),)),
        case("x86-nested-guest@cpu", ("cpu.hflags", "0x200000"), kept=(("cpu.hflags", "0x100000"),)),
        case("value-equal@vmware_vga_internal.new_depth", ("vmware_vga.chip.new_depth", "24")),
        case(
            "ide-end-transfer@ide_drive/pio_state.end_transfer_fn_idx",
            ("ide.bus_0_ifs[0].pio_state", Fresh("ide_drive/pio_state")),
            ("ide.bus_0_ifs[0].pio_state.end_transfer_fn_idx", "6"),
        ),
    ),
)

MULTIQUEUE = Recorded(
    "7.2",
    (
        *(*X86, "-M", "q35,suppress-vmdesc=on", "-netdev", "tap,id=n0,queues=2,script=no,downscript=no"),
        *options("virtio-net-pci,netdev=n0,mq=on,romfile="),
    ),
    (
        case("value-equal@virtio-net-device.max_queue_pairs", ("virtio-net.max_queue_pairs", "3")),
        case("virtio-net-queue-pairs@virtio-net-device.curr_queue_pairs", ("virtio-net.curr_queue_pairs", "3")),
    ),
)

MICROVM = Recorded(
    "7.2",
    (*X86, "-M", "microvm,acpi=on,suppress-vmdesc=on"),
    (
        since("acpi-ged/hest", "acpi-ged", "hest"),
        since("acpi-ged/pcihp", "acpi-ged", "pcihp"),
        case(
            "allocated@timer/icount/warp_timer",
            ("timer.icount", Fresh("timer/icount")),
            ("timer.icount.warp_timer", Fresh("timer/icount/warp_timer")),
            kept=(("timer.icount", Fresh("timer/icount")),),
        ),
        case(
            "allocated@timer/icount/timers",
            ("timer.icount", Fresh("timer/icount")),
            ("timer.icount.timers", Fresh("timer/icount/timers")),
        ),
    ),
)

SOUND = Recorded(
    "7.2",
    (
        *(*X86, "-M", "q35,suppress-vmdesc=on", "-m", "16", "-audiodev", "none,id=a"),
        *options("intel-hda", "hda-output,audiodev=a"),
    ),
    (
        case(
            "allocated@hda-audio-stream",
            ("hda-audio.st[1].buffer_state", Fresh("hda-audio-stream/buffer")),
            kept=(("hda-audio.st[0].buffer_state.wpos", "0"),),
        ),
    ),
)

VIRT = Recorded(
    "7.2",
    (
        "qemu-system-aarch64",
        "-M",
        "virt,suppress-vmdesc=on",
        "-accel",
        "tcg",
        "-cpu",
        "cortex-a57",
        "-nodefaults",
        "-m",
        "16",
    ),
    (
        case("arm-cpu-register-count@cpu.cpreg_vmstate_array_len", ("cpu.cpreg_vmstate_array_len", "259")),
        case("arm-cpu-register-unknown@cpu.cpreg_vmstate_indexes", ("cpu.cpreg_vmstate_indexes[0]", "1")),
        since("cpu/event", "cpu", "event"),
        since("cpu/fpmr", "cpu", "fpmr"),
        since("cpu/pstate64", "cpu", "pstate64"),
        since("cpu/syndrome64", "cpu", "syndrome64"),
        since("cpu/vfp/fpcr_fpsr", "cpu", "vfp.fpcr_fpsr"),
        since("cpu/wfxt-timer", "cpu", "wfxt_timer"),
        since("cpu/zt0", "cpu", "zt0"),
        case("arm-cpu-register-constant@cpu.cpreg_vmstate_values", ("cpu.cpreg_vmstate_values[138]", "0x132")),
        # NMRR.
        case(
            "arm-cpu-register-width@cpu.cpreg_vmstate_values",
            ("cpu.cpreg_vmstate_values[94]", "0x100000000"),
            kept=(("cpu.cpreg_vmstate_values[94]", "0xffffffff"),),
        ),
    ),
)

PIXEL = Fresh("virtio-gpu resource", {**GPU_RESOURCE, "height": 1, "pixels": "00000000"})

SHOWN = {
    "resource_id": "7",
    "width": "16",
    "height": "16",
    "fb_format": "0x20020888",
    "fb_bytes_pp": "4",
    "fb_width": "16",
    "fb_height": "16",
    "fb_stride": "64",
}


def display(**values: str) -> tuple[tuple[str, str | Fresh], ...]:
    """The changes that make a display show 16 by 16 pixels, with these values instead.

    The resource has one pixel: QEMU does not look whether it has as many as are shown.
    """
    path = "virtio-gpu.gpu.scanouts.first_scanout"
    shown = ((f"{path}.{name}", value) for name, value in {**SHOWN, **values}.items())
    return (("virtio-gpu.gpu.resources", PIXEL), *shown)


DISPLAY = Recorded(
    "10.0",
    (*X86, "-M", "q35,suppress-vmdesc=on", *options("virtio-gpu-pci")),
    (
        case("virtio-gpu-rectangle@virtio-gpu", *display(height="15"), kept=display()),
        # The bits of the colours are more than those of a pixel; rows are of no whole words, or too short.
        case(
            "virtio-gpu-framebuffer@virtio-gpu", *display(fb_format="0x08020888"), kept=display(fb_format="0x02000000")
        ),
        case("virtio-gpu-framebuffer@virtio-gpu", *display(fb_stride="66"), kept=display(fb_stride="68")),
        case("virtio-gpu-framebuffer@virtio-gpu", *display(fb_stride="60")),
        case(
            "virtio-gpu-size@virtio-gpu",
            ("virtio-gpu.gpu.resources", Fresh("virtio-gpu resource", GPU_RESOURCE)),
            kept=(("virtio-gpu.gpu.resources", PIXEL),),
        ),
    ),
)

WITHOUT_VECTORS = Recorded(
    "7.2",
    (*X86, "-M", "q35,suppress-vmdesc=on", *options("nec-usb-xhci,msix=off")),
    # The value is what it was.
    (case("xhci-vectors@xhci", ("xhci.xhci.usbcmd", "0")),),
    refuses_itself=True,
)

FREQUENCY = Recorded(
    "7.2",
    (*X86, "-M", "microvm,suppress-vmdesc=on", "-cpu", "qemu64,tsc-frequency=1000000000"),
    (case("x86-tsc-frequency@cpu", ("cpu.tsc_khz.tsc_khz", "1000001"), kept=(("cpu.tsc_khz.tsc_khz", "0"),)),),
)

NO_FREQUENCY = Recorded(
    "7.2",
    (*X86, "-M", "microvm,suppress-vmdesc=on"),
    (
        case(
            "x86-reenlightenment@cpu",
            *(("cpu.msr_hyperv_reenlightenment", reenlightenment(1 << 16)),),
            kept=(("cpu.msr_hyperv_reenlightenment", reenlightenment(1 << 15)),),
        ),
    ),
)

OLDEST = Recorded(
    "5.2",
    (*X86, "-M", "q35,suppress-vmdesc=on"),
    (
        since("cpu/arch_lbr", "cpu", "arch_lbr"),
        since("cpu/intel_amx_xtile", "cpu", "intel_amx_xtile"),
        since("cpu/msr_xfd", "cpu", "msr_xfd"),
        since("cpu/triple_fault", "cpu", "triple_fault"),
        since("cpu/amd_tsc_scale_msr", "cpu", "amd_tsc_scale_msr"),
        since("cpu/intel_sgx", "cpu", "intel_sgx"),
        since("cpu/pdptrs", "cpu", "pdptrs"),
        since("cpu/pkrs", "cpu", "pkrs"),
        since("cpu/svm_guest", "cpu", "svm_guest"),
        since("pckbd/extended_state", "pckbd", "extended_state"),
        since("ps2kbd/command_reply_queue", "ps2kbd", "command_reply_queue"),
    ),
)

NEWEST = Recorded(
    "11.1",
    (
        *(*X86, "-M", "q35,suppress-vmdesc=on", "-netdev", "user,id=n0", *drives(3)),
        *options("virtio-net-pci,netdev=n0,romfile=", "virtio-blk-pci,drive=d0"),
        *("-audiodev", "none,id=a"),
        *options("sb16,audiodev=a", "virtio-scsi-pci,id=s0", "scsi-hd,drive=d1,bus=s0.0", "nvme,serial=1,drive=d2"),
    ),
    (
        case("nvme-cq-number@nvme", ("nvme.cq[0]", Fresh("nvme-cq", {"cqid": 1}))),
        case("nvme-sq-completion@nvme", ("nvme.sq[0]", Fresh("nvme-sq", {"cqid": 5}))),
        case(
            "nvme-sq-number@nvme",
            ("nvme.cq[0]", Fresh("nvme-cq")),
            ("nvme.sq[0]", Fresh("nvme-sq", {"sqid": 1})),
        ),
        case("hpet-timers@hpet.num_timers_save", ("hpet.num_timers_save", "4")),
        case("sb16-arguments@sb16", ("sb16.in_index", "11"), kept=(("sb16.in_index", "10"),)),
        case("sb16-answer@sb16", ("sb16.out_data_len", "51"), kept=(("sb16.out_data_len", "50"),)),
        case(
            "scsi-reservation@scsi-disk/pr",
            ("scsi-disk.pr", Fresh("scsi-disk/pr", {"key": 1}, {"scsi_takes_reservations": False})),
        ),
        case(
            "virtio-queues-made@virtio body.num_queues",
            ("virtio-blk.virtio.vq", Fresh("virtio queue", {"num": 1, "vector": 0})),
            ("virtio-blk.virtio.num_queues", "2"),
        ),
        case(
            "virtio-net-queues@virtio body.vq",
            ("virtio-net.virtio.vq", Fresh("virtio queue", {"num": 64, "vector": 0})),
            ("virtio-net.virtio.vq", Fresh("virtio queue", {"num": 256, "vector": 0})),
            ("virtio-net.virtio.num_queues", "5"),
        ),
        case("virtio-net-mac-table-count@virtio-net-device.in_use", ("virtio-net.in_use", "0x80000000")),
        case(
            "virtio-queue-size@virtio queue.num",
            ("virtio-blk.virtio.vq[0].num", "512"),
            kept=(("virtio-blk.virtio.vq[0].num", "128"),),
        ),
    ),
)

CCID = Recorded(
    "11.1",
    (*X86, "-M", "pc,suppress-vmdesc=on", "-vga", "none", *options("piix3-usb-uhci", "usb-ccid")),
    (
        case(
            "ccid-answers@usb-ccid",
            ("usb-ccid.pending_answers_num", "129"),
            kept=(("usb-ccid.pending_answers_num", "128"),),
        ),
        case(
            "ccid-message@CCID BulkIn state",
            ("usb-ccid.bulk_in_pending[7].len", "385"),
            kept=(("usb-ccid.bulk_in_pending[7].len", "384"), ("usb-ccid.bulk_in_pending[7].pos", "384")),
        ),
        case(
            "ccid-messages@usb-ccid",
            ("usb-ccid.bulk_in_pending_start", "0xffffffff"),
            ("usb-ccid.bulk_in_pending_end", "8"),
            kept=(("usb-ccid.bulk_in_pending_start", "0xffffffff"), ("usb-ccid.bulk_in_pending_end", "7")),
        ),
        case("ccid-out@usb-ccid", ("usb-ccid.bulk_out_pos", "65537"), kept=(("usb-ccid.bulk_out_pos", "65536"),)),
    ),
)

MACHINES = {
    "q35-7.2": Q35,
    "pc-7.2": PC,
    "q35-tap-7.2": MULTIQUEUE,
    "microvm-7.2": MICROVM,
    "sound-7.2": SOUND,
    "virt-7.2": VIRT,
    "q35-5.2": OLDEST,
    "q35-11.1": NEWEST,
    "ccid-11.1": CCID,
    "display-10.0": DISPLAY,
    "xhci-7.2": WITHOUT_VECTORS,
    "frequency-7.2": FREQUENCY,
    "no-frequency-7.2": NO_FREQUENCY,
}

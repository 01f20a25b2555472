"""What machines are drawn from (machines.py): boards, devices of each bus with the properties that are varied.

Only what a QEMU says it has is drawn from these tables, so they may name more than any release has. In the words of a
back end and in what is always given, `{id}` stands for the device's id and `{NAME}` for the drawn value of an option
`@NAME`, which is the back end's and no property; the first value is taken where none is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmstate.vmsd.data import Value

Options = tuple[tuple[str, tuple[str, ...]], ...]
"""Names of options, each with the values that are drawn."""


def options_of(text: str) -> Options:
    """The options in a text of `NAME=VALUE|VALUE` words; a `+` in a value stands for a comma."""
    words = (word.partition("=") for word in text.split())
    return tuple((name, tuple(values.replace("+", ",").split("|"))) for name, _, values in words)


class Kind(Value):
    """A kind of device. `bus` is where it stands, `provides` the bus that it has; `tap` is for several queue pairs."""

    name: str
    bus: str
    given: str = ""
    backend: str = ""
    options: Options = ()
    provides: str = ""
    tap: bool = False


class Board(Value):
    """Machine types that are drawn: a pattern of their names, how often, and what they can have.

    `buses` are those that devices are drawn from, `memory` sizes of RAM ("" is that of the board), `options` of the
    machine type, `cpus` models with features, `given` words that each of these machines has.
    """

    program: str
    pattern: str
    weight: int
    buses: tuple[str, ...]
    memory: tuple[str, ...]
    options: Options
    cpus: tuple[str, ...]
    globals_: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    given: str = ""


ON, OFF = "on", "off"

PCI_OPTIONS = options_of(
    "multifunction=on rombar=0 romfile= romsize=65536|524288 x-pcie-extcap-init=off x-pcie-lnksta-dllla=off "
    "x-pcie-ari-nextfn-1=on x-pcie-err-unc-mask=off"
)
VIRTIO_OPTIONS = options_of(
    "event_idx=off indirect_desc=off packed=on iommu_platform=on notify_on_empty=off any_layout=off in_order=on "
    "queue_reset=off use-started=off use-disabled-flag=off x-disable-legacy-check=on"
)
VIRTIO_PCI_OPTIONS = options_of(
    "vectors=0|1|2|3|5|9 disable-legacy=on disable-modern=on ats=on aer=on page-per-vq=on modern-pio-notify=on "
    "x-disable-pcie=on migrate-extra=off virtio-pci-bus-master-bug-migration=on x-pcie-flr-init=off "
    "x-pcie-deverr-init=off x-pcie-lnkctl-init=off x-pcie-pm-init=off x-pcie-pm-no-soft-reset=on ioeventfd=off"
)
CCW_OPTIONS = options_of("max_revision=0|1 ioeventfd=off")

_USER = "-netdev {net},id={id}"
_NET = "@net=user|user+restrict=on|user+net=10.9.0.0/24|hubport+hubid=1 "
_TAP = "-netdev tap,id={id},queues={queues},script=no,downscript=no,vhost=off"
_DISK = "-drive if=none,id={id},driver=null-co,read-zeroes=on,size={size}"
_NULL = "-chardev null,id={id}"
_SOUND = "-audiodev none,id={id}"
_MEMORY = "-object memory-backend-ram,id={id},size={size}"
_SHARE = "-fsdev local,id={id},path=/usr,security_model=none,readonly=on"

VIRTIO: tuple[tuple[str, str, str, str], ...] = (
    (
        "net",
        "netdev={id}",
        _USER,
        f"{_NET}"
        "mac=52:54:00:12:34:77 ctrl_vq=off ctrl_rx=off ctrl_vlan=off ctrl_mac_addr=off ctrl_rx_extra=off mrg_rxbuf=off "
        "csum=off guest_csum=off gso=off guest_tso4=off guest_ecn=off guest_ufo=off guest_announce=off status=off "
        "rx_queue_size=512|1024 tx_queue_size=256 host_mtu=1400|9000 speed=1000 mq=on rss=on hash=on "
        "guest_rsc_ext=on ctrl_guest_offloads=off x-mtu-bypass-backend=off failover=on",
    ),
    (
        "blk",
        "drive={id}",
        _DISK,
        "@size=64M|128M num-queues=1|2|4 queue-size=64|128|256|512 seg-max-adjust=off discard=off write-zeroes=off "
        "config-wce=off logical_block_size=4096 physical_block_size=4096 write-cache=off share-rw=on "
        "report-discard-granularity=off scsi=on request-merging=off serial=abc",
    ),
    (
        "scsi",
        "",
        "",
        "num_queues=1|2|4 virtqueue_size=64|128|512 hotplug=off param_change=off cmd_per_lun=64 max_sectors=1024 "
        "seg_max_adjust=off",
    ),
    ("serial", "", "", "max_ports=1|8|31|64 emergency-write=off"),
    ("rng", "rng={id}", "-object rng-builtin,id={id}", "max-bytes=1024 period=1000"),
    (
        "balloon",
        "",
        "",
        "deflate-on-oom=on free-page-hint=on free-page-reporting=on page-poison=off qemu-4-0-config-size=on",
    ),
    ("gpu", "", "", "max_outputs=2|4 edid=off xres=800 max_hostmem=64M x-scanout-vmstate-version=1|2"),
    ("keyboard", "", "", "serial=s1"),
    ("mouse", "", "", "serial=s2 wheel-axis=off"),
    ("tablet", "", "", "serial=s3 wheel-axis=off"),
    ("multitouch", "", "", ""),
    ("9p", "fsdev={id},mount_tag=t{id}", _SHARE, ""),
    ("mem", "memdev={id}", _MEMORY, "@size=16M|32M block-size=4M requested-size=0|8M node=0 x-early-migration=off"),
    ("pmem", "memdev={id}", _MEMORY, "@size=16M|32M"),
    ("iommu", "", "", "boot-bypass=off granule=64k aw-bits=48 reserved-regions="),
    ("sound", "audiodev={id}", _SOUND, "jacks=2 streams=1|3 chmaps=1"),
    ("vsock", "guest-cid=5", "", ""),
    ("crypto", "cryptodev={id}", "-object cryptodev-backend-builtin,id={id},queues={queues}", "@queues=1|2"),
)
"""Devices of virtio as they are on every bus: name, what is always given, back end, options."""

TAP_OPTIONS = options_of(
    "@queues=1|2|4 mq=on|off vectors=2|4|6|10 rss=on hash=on mrg_rxbuf=off guest_tso4=off guest_tso6=off gso=off "
    "host_ufo=off guest_announce=off ctrl_vq=off packed=on rx_queue_size=512 tx_queue_size=512 host_uso=off "
    "guest_uso4=off guest_uso6=off"
)


def _virtio_kinds() -> Iterator[Kind]:
    buses = (("pci", "-pci", VIRTIO_PCI_OPTIONS + PCI_OPTIONS), ("mmio", "-device", ()), ("ccw", "-ccw", CCW_OPTIONS))
    for bus, ending, more in buses:
        for name, given, backend, text in VIRTIO:
            # Those of the transport are many: the device's own are drawn as often as all of them together.
            provides = {"scsi": "scsi", "serial": "ports"}.get(name, "")
            yield Kind(
                f"virtio-{name}{ending}", bus, given, backend, options_of(text) + VIRTIO_OPTIONS + more, provides
            )
        yield Kind(f"virtio-net{ending}", bus, "netdev={id}", _TAP, TAP_OPTIONS, tap=True)
    yield Kind("virtio-vga", "pci", options=options_of("max_outputs=2 edid=off vgamem_mb=8 vectors=0|2"))
    for name, given, backend, text in (
        ("net", "netdev={id}", _USER, f"{_NET}vectors=4 mrg_rxbuf=off"),
        ("blk", "drive={id}", _DISK, "@size=64M|128M vectors=3 num-queues=2 event_idx=off"),
        ("scsi", "", "", "num_queues=2|4 vectors=2"),
        ("serial", "", "", "max_ports=8 vectors=0"),
        ("rng", "rng={id}", "-object rng-builtin,id={id}", "vectors=0 page-per-vq=on"),
        ("balloon", "", "", "free-page-hint=on vectors=0"),
        ("9p", "fsdev={id},mount_tag=t{id}", _SHARE, "vectors=0"),
    ):
        for ending in ("non-transitional", "transitional"):
            yield Kind(f"virtio-{name}-pci-{ending}", "pci", given, backend, options_of(text))
    thread = "-object iothread,id={id}t"
    yield Kind("virtio-blk-pci", "pci", "drive={id},iothread={id}t", f"{thread} {_DISK}", options_of("@size=64M|128M"))
    yield Kind("virtio-scsi-pci", "pci", "iothread={id}t", thread, options_of("num_queues=2"), "scsi")
    yield Kind("virtio-gpu-device", "mmio", options=options_of("max_outputs=2 edid=off blob=on"))


def _network_kinds() -> Iterator[Kind]:
    for name, text in (
        ("e1000", "autonegotiation=off mitigation=off extra_mac_registers=off migrate_tso_props=off init-vet=off"),
        ("e1000-82544gc", "mitigation=off extra_mac_registers=off"),
        ("e1000-82545em", "mitigation=off migrate_tso_props=off"),
        ("e1000e", "disable_vnet_hdr=on subsys_ven=4660 subsys=1 init-vet=off migrate-timadj=off"),
        ("igb", "x-pcie-flr-init=off"),
        ("rtl8139", ""),
        ("pcnet", ""),
        ("ne2k_pci", ""),
        ("i82550", ""),
        ("i82551", ""),
        ("i82557b", ""),
        ("i82559er", ""),
        ("i82801", ""),
        ("i82557a", ""),
        ("i82557c", ""),
        ("i82558a", ""),
        ("i82558b", ""),
        ("i82559a", ""),
        ("i82559b", ""),
        ("i82559c", ""),
        ("i82562", ""),
        ("tulip", ""),
        ("vmxnet3", "x-old-msi-offsets=on x-disable-pcie=on"),
        ("sungem", ""),
    ):
        yield Kind(name, "pci", "netdev={id}", _USER, options_of(f"{_NET}mac=52:54:00:12:34:66 {text}") + PCI_OPTIONS)
    yield Kind("ne2k_isa", "isa", "netdev={id}", _USER, options_of(f"{_NET}iobase=0x320 irq=5"))
    yield Kind("usb-net", "usb", "netdev={id}", _USER, options_of(f"{_NET}mac=52:54:00:12:34:88"))
    yield Kind(
        "spapr-vlan", "vio", "netdev={id}", _USER, options_of(f"{_NET}use-rx-buffer-pools=off mac=52:54:00:12:34:99")
    )
    yield Kind("rocker", "pci", "name={id}", options=options_of("world=of-dpa fp_start_macaddr=52:54:00:12:35:01"))


def _storage_kinds() -> Iterator[Kind]:
    disk = "@size=64M|128M"
    pci = (
        (
            "nvme",
            "serial={id},drive={id}",
            _DISK,
            f"{disk} max_ioqpairs=1|8|128 msix_qsize=9|33 cmb_size_mb=1|16 num_queues=8 mdts=5 aerl=5 zoned.zasl=2 "
            "use-intel-id=on legacy-cmb=on",
            "",
        ),
        ("ahci", "", "", "", "ahci"),
        ("ich9-ahci", "", "", "", "ahci"),
        ("lsi53c895a", "", "", "", "scsi"),
        ("lsi53c810", "", "", "", "scsi"),
        ("megasas", "", "", "max_sge=64 max_cmds=500 use_jbod=on msi=on", "scsi"),
        ("megasas-gen2", "", "", "max_cmds=500 msi=off msix=off", "scsi"),
        ("mptsas1068", "", "", "msi=off sas_address=1234605616436508552", "scsi"),
        ("pvscsi", "", "", "use_msg=off x-old-pci-configuration=on x-disable-pcie=on", "scsi"),
        ("am53c974", "", "", "", "scsi"),
        ("dc390", "", "", "", "scsi"),
        ("piix3-ide", "", "", "", ""),
        ("piix4-ide", "", "", "", ""),
        ("cmd646-ide", "", "", "secondary=1", ""),
        ("sii3112", "", "", "", ""),
        ("via-ide", "", "", "", ""),
        ("sdhci-pci", "", "", "sd-spec-version=2 capareg=0x57834b4", "sd"),
    )
    for name, given, backend, text, provides in pci:
        yield Kind(name, "pci", given, backend, options_of(text) + PCI_OPTIONS, provides)
    for name in ("scsi-hd", "scsi-cd"):
        yield Kind(name, "scsi", "drive={id}", _DISK, options_of(f"{disk} scsi-id=3 lun=0 ver=1.0 removable=on"))
    for name in ("ide-hd", "ide-cd"):
        yield Kind(name, "ahci", "drive={id}", _DISK, options_of(f"{disk} ver=1 bios-chs-trans=none unit=0"))
        yield Kind(name, "ide", "drive={id}", _DISK, options_of(f"{disk} bus=ide.0|ide.1 write-cache=off serial=xyz"))
    yield Kind("sd-card", "sd", "drive={id}", _DISK, options_of("@size=64M|128M|4G spec_version=2"))
    yield Kind("isa-fdc", "isa", options=options_of("fallback=120 iobase=0x370"))
    yield Kind("floppy", "floppy", options=options_of("drive-type=120|144|288 unit=1"))
    yield Kind("spapr-vscsi", "vio", provides="scsi")
    yield Kind("nvme", "pci", "serial={id}", "", options_of("max_ioqpairs=1|8 msix_qsize=9 mdts=5"), "nvme")
    subsystem = "-device nvme-subsys,id={id}s"
    yield Kind("nvme", "pci", "serial={id},subsys={id}s", subsystem, options_of("sriov_max_vfs=1|4 max_ioqpairs=8"))
    zones = "zoned=on zoned.zone_size=1M zoned.max_open=4 ms=8 pi=1 nsid=3 shared=off"
    yield Kind("nvme-ns", "nvme", "drive={id}", _DISK, options_of(f"{disk} {zones}"))
    yield Kind("ufs", "pci", "serial={id}", "", options_of("nutrs=8|16 mcq=on mcq-maxq=4") + PCI_OPTIONS, "ufs")
    yield Kind("ufs-lu", "ufs", "drive={id}", _DISK, options_of(f"{disk} lun=1"))
    yield Kind("isa-ide", "isa", options=options_of("iobase=0x1e8 irq=11"))
    yield Kind("ide-cf", "ide", "drive={id}", _DISK, options_of("@size=64M ver=1"))
    yield Kind("emmc", "sd", "drive={id}", _DISK, options_of("@size=64M|128M boot-partition-size=1M"))


def _usb_kinds() -> Iterator[Kind]:
    for name, text in (
        ("piix3-usb-uhci", "maxframes=64 bandwidth=1000"),
        ("piix4-usb-uhci", "bandwidth=1000"),
        ("ich9-usb-uhci1", "maxframes=64"),
        ("usb-ehci", "maxframes=64"),
        ("ich9-usb-ehci1", ""),
        ("ich9-usb-ehci2", ""),
        ("ich9-usb-uhci2", ""),
        ("ich9-usb-uhci3", "maxframes=64"),
        ("ich9-usb-uhci4", ""),
        ("ich9-usb-uhci5", ""),
        ("ich9-usb-uhci6", ""),
        ("pci-ohci", "num-ports=2|8"),
        ("qemu-xhci", "p2=2|8 p3=2|8 intrs=4 slots=16 msi=off msix=off streams=off"),
        ("nec-usb-xhci", "p2=2 p3=8 intrs=4 slots=32 msi=off msix=off superspeed-ports-first=off force-pcie-endcap=on"),
    ):
        yield Kind(name, "pci", "", "", options_of(text) + PCI_OPTIONS, "usb")
    for name, given, backend, text in (
        ("usb-tablet", "", "", "usb_version=1 display=a"),
        ("usb-mouse", "", "", "usb_version=1"),
        ("usb-kbd", "", "", "usb_version=1"),
        ("usb-wacom-tablet", "", "", ""),
        ("usb-hub", "", "", "ports=4"),
        ("usb-storage", "drive={id}", _DISK, "@size=64M removable=on serial=q commandlog=on"),
        ("usb-serial", "chardev={id}", _NULL, "always-plugged=on"),
        ("usb-braille", "", "", ""),
        ("usb-ccid", "", "", ""),
        ("usb-audio", "audiodev={id}", _SOUND, "multi=on buffer=8192"),
        ("usb-bot", "", "", ""),
        ("usb-uas", "", "", ""),
    ):
        msos = "" if name in ("usb-hub", "usb-audio") else " msos-desc=off full-path=off port=2|4"
        yield Kind(name, "usb", given, backend, options_of(f"{text}{msos}"))
        if name not in ("usb-hub", "usb-bot", "usb-uas"):
            # On a hub, and on what controller a board itself has.
            yield Kind(name, "hub", given, backend, options_of(text))
            yield Kind(name, "any usb", given, backend, options_of(text))
    yield Kind("usb-hub", "usb", "port=1", provides="hub")
    yield Kind("usb-bot", "usb", provides="scsi")
    yield Kind("usb-uas", "usb", provides="scsi")
    yield Kind("usb-mtp", "usb", "rootdir=/usr/share/doc", options=options_of("desc=m readonly=on"))
    yield Kind("usb-redir", "usb", "chardev={id}", _NULL, options_of("streams=off filter=-1:-1:-1:-1:1"))
    yield Kind("u2f-emulated", "usb")
    yield Kind("usb-ccid", "usb", provides="ccid")
    yield Kind("ccid-card-passthru", "ccid", "chardev={id}", _NULL)


def _sound_kinds() -> Iterator[Kind]:
    for name, text in (("AC97", ""), ("ES1370", "")):
        yield Kind(name, "pci", "audiodev={id}", _SOUND, options_of(text) + PCI_OPTIONS)
    for name in ("intel-hda", "ich9-intel-hda"):
        yield Kind(name, "pci", "", "", options_of("msi=off|on old_msi_addr=on") + PCI_OPTIONS, "hda")
    for name in ("hda-duplex", "hda-output", "hda-micro"):
        yield Kind(name, "hda", "audiodev={id}", _SOUND, options_of("mixer=off use-timer=off cad=1"))
    for name, text in (("sb16", "irq=7 version=1029"), ("adlib", ""), ("cs4231a", "irq=7"), ("gus", "irq=5")):
        yield Kind(name, "isa", "audiodev={id}", _SOUND, options_of(text))


def _display_kinds() -> Iterator[Kind]:
    for name, text in (
        ("VGA", "vgamem_mb=8|32 edid=off mmio=off qemu-extended-regs=off global-vmstate=on refresh_rate=60"),
        ("secondary-vga", "vgamem_mb=8 edid=off qemu-extended-regs=off"),
        ("cirrus-vga", "vgamem_mb=8 blitter=off global-vmstate=on"),
        ("vmware-svga", "vgamem_mb=8 global-vmstate=on"),
        ("bochs-display", "vgamem=8M edid=off"),
        ("ati-vga", "vgamem_mb=8 model=rv100 guest_hwcursor=on"),
        ("qxl-vga", "vram_size_mb=32 ram_size_mb=32 revision=3 surfaces=512 vgamem_mb=8"),
        ("cirrus-vga", "blitter=off vgamem_mb=8|16"),
        ("qxl", "vram_size_mb=32 ram_size_mb=32 revision=3 max_outputs=1"),
    ):
        yield Kind(name, "pci", "", "", options_of(text) + PCI_OPTIONS)
    yield Kind("isa-vga", "isa", options=options_of("vgamem_mb=4"))
    yield Kind("isa-cirrus-vga", "isa", options=options_of("vgamem_mb=8 blitter=off"))
    yield Kind("ramfb", "free")


def _bridge_kinds() -> Iterator[Kind]:
    port = "port=3 chassis=77 slot=9 x-native-hotplug=off hotplug=off disable-acs=on x-speed=8 x-width=4 "
    reserve = "io-reserve=4096 mem-reserve=2M pref64-reserve=32M bus-reserve=2 x-do-not-expose-native-hotplug-cap=on "
    aer = "power_controller_present=off aer=off x-pcie-err-unc-mask=off"
    yield Kind("pcie-root-port", "pcie", "chassis={chassis}", "", options_of(port + reserve + aer), "port")
    yield Kind("ioh3420", "pcie", "chassis={chassis}", "", options_of(port + aer), "port")
    yield Kind("pci-bridge", "pci", "chassis_nr={chassis}", "", options_of("msi=off shpc=off|on"), "bridge")
    yield Kind("pcie-pci-bridge", "pcie", "", "", options_of("msi=off"), "bridge")
    yield Kind("x3130-upstream", "port", "", "", (), "upstream")
    yield Kind(
        "xio3130-downstream", "upstream", "chassis={chassis}", "", options_of("slot=5 port=1 hotplug=off"), "port"
    )
    yield Kind("i82801b11-bridge", "pcie", "", "", (), "bridge")
    bypass = "bus_nr=80 numa_node=0 bypass_iommu=on"
    yield Kind("pxb-pcie", "pcie", "bus_nr=64", "", options_of(bypass), "expander")
    yield Kind("pcie-root-port", "expander", "chassis={chassis}", "", options_of(port + reserve + aer), "port")
    yield Kind("pxb", "conventional", "bus_nr=64", "", options_of(bypass), "nested")
    yield Kind("pci-bridge-seat", "pci", "chassis_nr={chassis}", "", options_of("msi=off shpc=on"), "bridge")
    yield Kind("pci-bridge", "nested", "chassis_nr={chassis},addr=1", "", options_of("msi=off shpc=on"), "bridge")
    yield Kind("pcie-pci-bridge", "port", "", "", options_of("msi=off"), "nested")
    cxl = "-machine cxl=on"
    yield Kind("pxb-cxl", "pcie", "bus_nr=96", cxl, options_of("bus_nr=112 hdm_for_passthrough=on"), "cxl")
    yield Kind("cxl-rp", "cxl", "chassis={chassis}", "", options_of(f"{port}x-256b-flit=off"), "cxl port")
    yield Kind("cxl-upstream", "cxl port", "", "", options_of("x-speed=16 x-width=8"), "cxl switch")
    yield Kind("cxl-downstream", "cxl switch", "chassis={chassis}", "", options_of("slot=5 port=1"), "cxl port")
    volatile = "-object memory-backend-ram,id={id},size=256M"
    labels = "-object memory-backend-ram,id={id}l,size=256K"
    yield Kind("cxl-type3", "cxl port", "persistent-memdev={id},lsa={id}l", f"{volatile} {labels}", options_of("sn=5"))
    yield Kind("cxl-type3", "cxl port", "volatile-memdev={id}", volatile, options_of("sn=5 x-speed=16"))
    yield Kind("spapr-pci-host-bridge", "free", "index=1", "", options_of("index=2 pgsz=0x1000"))


def _four(given: str, backend: str) -> tuple[str, str]:
    """What is given, and the back end, four times: `{n}` is 1 to 4."""
    numbers = [str(number) for number in range(1, 5)]
    return ",".join(given.replace("{n}", n) for n in numbers), " ".join(backend.replace("{n}", n) for n in numbers)


def _other_kinds() -> Iterator[Kind]:
    for name, given, backend, text in (
        ("edu", "", "", ""),
        ("pci-testdev", "", "", "membar=65536"),
        ("i6300esb", "", "", ""),
        ("pvpanic-pci", "", "", "events=1"),
        ("pci-serial", "chardev={id}", _NULL, "prog_if=3"),
        ("pci-serial-2x", "chardev1={id},chardev2={id}b", "-chardev null,id={id} -chardev null,id={id}b", ""),
        ("pci-serial-4x", *_four("chardev{n}={id}{n}", "-chardev null,id={id}{n}"), ""),
        ("mioe3680_pci", "", "", ""),
        ("pcm3680_pci", "", "", ""),
        ("pci-serial", "chardev={id}", "-chardev ringbuf,id={id},size=64", "prog_if=3"),
        (
            "acpi-erst",
            "memdev={id}",
            "-object memory-backend-ram,id={id},size={size}",
            "@size=64K|128K record_size=4096",
        ),
        ("igd-passthrough-isa-bridge", "", "", ""),
        ("riscv-iommu-pci", "", "", "ats=off intremap=off s-stage=off off=on bus=pcie.0"),
        ("ctucan_pci", "", "", ""),
        ("kvaser_pci", "", "", ""),
        ("ivshmem-plain", "memdev={id}", "-object memory-backend-ram,id={id},size={size},share=on", "@size=1M|4M"),
    ):
        yield Kind(name, "pci", given, backend, options_of(text) + PCI_OPTIONS)
    yield Kind("tpci200", "pci", options=PCI_OPTIONS, provides="ipack")
    yield Kind("ipoctal232", "ipack")
    yield Kind(
        "kvaser_pci", "pci", "canbus={id}", "-object can-bus,id={id}", options_of("multifunction=on") + PCI_OPTIONS
    )
    for name, given, backend, text in (
        ("isa-serial", "chardev={id}", _NULL, "index=0|1|2 iobase=0x2e8"),
        ("isa-parallel", "chardev={id}", _NULL, "index=0|1"),
        ("isa-debugcon", "chardev={id}", _NULL, "iobase=0x402"),
        ("isa-debug-exit", "", "", "iobase=0xf4"),
        ("pvpanic", "", "", "ioport=1286"),
        ("ib700", "", "", ""),
        ("sga", "", "", ""),
        ("isa-applesmc", "osk=x", "", "iobase=0x310"),
        ("pc-testdev", "", "", ""),
        ("isa-parallel", "chardev={id}", "-chardev ringbuf,id={id},size=64", "index=1"),
        ("i8257", "", "", ""),
        ("isa-m48t59", "", "", "base-year=1980"),
        ("vmport", "", "", "x-cmds-v2=off"),
    ):
        yield Kind(name, "isa", given, backend, options_of(text))
    yield Kind("isa-ipmi-kcs", "isa", "bmc={id}", "-device ipmi-bmc-sim,id={id}", options_of("ioport=0xca8 irq=7"))
    yield Kind("isa-ipmi-bt", "isa", "bmc={id}", "-device ipmi-bmc-sim,id={id}", options_of("ioport=0xe8 irq=7"))
    yield Kind("pci-ipmi-kcs", "pci", "bmc={id}", "-device ipmi-bmc-sim,id={id}", PCI_OPTIONS)
    yield Kind("pci-ipmi-bt", "pci", "bmc={id}", "-device ipmi-bmc-sim,id={id}", PCI_OPTIONS)
    yield Kind("smbus-ipmi", "i2c", "bmc={id}", "-device ipmi-bmc-sim,id={id}")
    yield Kind(
        "intel-iommu",
        "free",
        options=options_of(
            "intremap=off caching-mode=on aw-bits=48|39 device-iotlb=on dma-drain=off x-scalable-mode=on "
            "snoop-control=on x-flts=on x-buggy-eim=on pt=off"
        ),
    )
    yield Kind("amd-iommu", "free", options=options_of("intremap=on device-iotlb=on xtsup=on"))
    yield Kind("vmgenid", "free", "guid=auto", options=options_of("guid=324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87"))
    yield Kind("vmcoreinfo", "free")
    yield Kind("vmmouse", "free")
    yield Kind("at24c-eeprom", "i2c", "address={address}", options=options_of("rom-size=256|4096"))
    yield Kind("vmclock", "free")
    yield Kind("uefi-vars-x64", "free")
    yield Kind("virtio-nsm-device", "mmio")
    for name in (
        *(
            "tmp105",
            "tmp421",
            "tmp422",
            "tmp423",
            "ds1338",
            "smbus-eeprom",
            "adm1272",
            "adm1266",
            "max34451",
            "emc1413",
        ),
        *("emc1414", "max31785", "pca9546", "pca9548", "pca9552", "pca9554", "pca9535", "isl69260", "raa228000"),
        *("sii9022", "wm8750", "lm8323", "i2c-echo", "i2c_mctp_cxl", "pcf8574", "lsm303dlhc_mag", "max7310", "m41t80"),
    ):
        yield Kind(name, "i2c", "address={address}")
    yield Kind("pc-dimm", "dimm", "memdev={id}", _MEMORY, options_of("@size=256M|512M node=0 slot=1"))
    yield Kind("nvdimm", "dimm", "memdev={id}", _MEMORY, options_of("@size=32M|64M label-size=128K unarmed=on"))
    yield Kind("virtconsole", "ports", "chardev={id}", _NULL, options_of("nr=3|0 name=x"))
    yield Kind("virtserialport", "ports", "chardev={id},name=n{id}", _NULL, options_of("nr=3|5"))
    yield Kind("sclpconsole", "free", "chardev={id}", _NULL)
    yield Kind("sclplmconsole", "free", "chardev={id}", _NULL)
    yield Kind("x-terminal3270", "ccw", "chardev={id}", _NULL)
    yield Kind("diag288", "free")
    yield Kind("spapr-vty", "vio", "chardev={id}", _NULL, options_of("reg=0x71000100"))
    yield Kind("spapr-rng", "free", "rng={id}", "-object rng-builtin,id={id}")
    yield Kind("loader", "free", "addr=0x1000,data=0x55,data-len=4", options=options_of("data=0x66"))


KINDS: tuple[Kind, ...] = (
    *_virtio_kinds(),
    *_network_kinds(),
    *_storage_kinds(),
    *_usb_kinds(),
    *_sound_kinds(),
    *_display_kinds(),
    *_bridge_kinds(),
    *_other_kinds(),
)

ALIKE: tuple[tuple[str, ...], ...] = (
    ("e1000", "e1000-82544gc", "e1000-82545em"),
    ("e1000", "e1000e", "rtl8139", "virtio-net-pci"),
    ("i82550", "i82551", "i82557a", "i82557b", "i82557c", "i82558a", "i82558b", "i82559er", "i82562", "i82801"),
    ("megasas", "megasas-gen2"),
    ("am53c974", "dc390"),
    ("ahci", "ich9-ahci"),
    ("lsi53c895a", "lsi53c810"),
    ("piix3-usb-uhci", "piix4-usb-uhci", "ich9-usb-uhci1"),
    ("qemu-xhci", "nec-usb-xhci"),
    ("usb-ehci", "ich9-usb-ehci1"),
    ("intel-hda", "ich9-intel-hda"),
    ("hda-duplex", "hda-output", "hda-micro"),
    ("VGA", "cirrus-vga", "qxl-vga", "virtio-vga", "vmware-svga", "secondary-vga", "bochs-display"),
    ("virtio-blk-pci", "virtio-scsi-pci", "nvme"),
    ("virtio-net-pci", "virtio-net-pci-non-transitional", "virtio-net-pci-transitional"),
    ("virtio-scsi-pci", "virtio-scsi-pci-non-transitional", "virtio-scsi-pci-transitional"),
    ("virtio-serial-pci", "virtio-serial-pci-non-transitional", "virtio-serial-pci-transitional"),
    ("pci-serial", "pci-serial-2x", "pci-serial-4x"),
    ("mioe3680_pci", "pcm3680_pci", "kvaser_pci", "ctucan_pci"),
    ("tmp421", "tmp422", "tmp423"),
    ("pca9546", "pca9548"),
    ("pci-bridge", "pci-bridge-seat"),
    ("cxl-type3", "cxl-upstream"),
    ("virtio-blk-ccw", "virtio-scsi-ccw"),
    ("virtio-keyboard-pci", "virtio-mouse-pci", "virtio-tablet-pci"),
    ("virtio-keyboard-ccw", "virtio-mouse-ccw", "virtio-tablet-ccw"),
    ("virtio-keyboard-device", "virtio-mouse-device", "virtio-tablet-device"),
    ("usb-tablet", "usb-mouse", "usb-kbd"),
    ("scsi-hd", "scsi-cd"),
    ("ide-hd", "ide-cd"),
    ("pcie-root-port", "ioh3420"),
    ("isa-ipmi-kcs", "isa-ipmi-bt"),
    ("virtconsole", "virtserialport"),
    ("pc-dimm", "nvdimm"),
    ("intel-iommu", "amd-iommu"),
)
"""Kinds of which one is put in another's place."""

_X86_CPUS = (
    *("qemu64", "Nehalem", "SandyBridge", "Haswell-noTSX", "Skylake-Client-v1", "EPYC", "max", "qemu32", "core2duo"),
    *("qemu64,+x2apic", "qemu64,-sse4a", "max,xsave=off", "qemu64,vmx=on", "max,pmu=on", "Nehalem,x2apic=off"),
    *("max,migratable=off", "EPYC,topoext=off", "qemu64,svm=off", "max,pku=off", "qemu64,apic-id=0"),
    *("qemu64,tsc-frequency=1000000000", "max,la57=off", "qemu64,mce=off", "max,pks=off", "qemu64,phys-bits=36"),
    *("kvm64", "Opteron_G5", "phenom", "Icelake-Server", "EPYC-Milan", "Cascadelake-Server-v4", "n270", "pentium3"),
    *("max,mpx=off", "qemu64,+rdtscp", "qemu64,lmce=on", "max,arat=off", "qemu64,apic=off", "max,smap=off"),
)
_MIGRATION = (
    *("migration.send-configuration=off", "migration.send-section-footer=off", "migration.store-global-state=off"),
    *("migration.x-postcopy-ram=on", "migration.x-events=on", "migration.x-xbzrle=on", "migration.x-release-ram=on"),
    *("migration.x-auto-converge=on", "migration.x-compress=on", "migration.x-zero-blocks=on"),
    *("migration.decompress-error-check=off", "migration.multifd-flush-after-each-section=on"),
    *("migration.send-switchover-start=off", "migration.x-multifd=on", "migration.x-dirty-bitmaps=on"),
    *("migration.x-ignore-shared=on", "migration.x-validate-uuid=on", "migration.x-return-path=on"),
    *("migration.x-late-block-activate=on", "migration.x-background-snapshot=on", "migration.x-colo=on"),
    *("migration.x-block=on", "migration.x-postcopy-preempt=on", "migration.x-pause-before-switchover=on"),
)
_BACKEND = "-object memory-backend-ram,id={id},size={size}M"
_RAM = (
    f"-machine memory-backend=mem0 {_BACKEND}".replace("{id}", "mem0").replace("{size}", "{memory}"),
    f"-machine memory-backend=mem1 {_BACKEND},share=on".replace("{id}", "mem1").replace("{size}", "{memory}"),
    f"-numa node,memdev=mem0 {_BACKEND}".replace("{id}", "mem0").replace("{size}", "{memory}"),
    "-object memory-backend-ram,id=n0,size={half}M -object memory-backend-ram,id=n1,size={half}M "
    "-numa node,memdev=n0 -numa node,memdev=n1",
    "-object memory-backend-memfd,id=mem0,size={memory}M -machine memory-backend=mem0",
    "-object memory-backend-ram,id=mem0,size={memory}M,x-use-canonical-path-for-ramblock-id=on "
    "-machine memory-backend=mem0",
    "-mem-path /dev/shm",
    "-mem-prealloc",
)
"""Where memory comes from; `{memory}` is its size in MiB, `{half}` the half of it."""
_WORDS = (
    *("-uuid 11111111-2222-3333-4444-555555555555", "-name guest", "-boot menu=on", "-boot strict=on"),
    *("-fw_cfg name=opt/org.example,string=x", "-rtc base=localtime", "-icount shift=3", "-icount shift=auto"),
    *("-usb", "-overcommit cpu-pm=on", "-only-migratable", "-msg timestamp=on", "-k de", "-win2k-hack"),
    *("-watchdog-action pause", "-boot order=n", "-action panic=none", "-compat deprecated-input=accept"),
    *("-display none", "-vnc none", "-monitor null", "-accel tcg,thread=single", "-no-shutdown", "-no-reboot"),
    *("-rtc clock=vm", "-object iothread,id=io9", "-chardev null,id=spare", "-global dummy.x=1", "-no-user-config"),
    *_RAM,
)
_PC_WORDS = (
    *("-bios bios.bin", "-smbios type=1,serial=3", "-serial null", "-serial null -serial null", "-parallel null"),
    *("-vga std", "-vga cirrus", "-vga qxl", "-vga virtio", "-vga vmware", "-no-hpet", "-no-acpi", "-fda null-co://"),
    *("-numa node", "-drive if=ide,driver=null-co,size=64M,read-zeroes=on", "-cdrom null-co://", "-hda null-co://"),
    *("-watchdog i6300esb", "-acpitable sig=ABCD,data=/dev/null", "-no-fd-bootchk"),
    *("-numa node -numa node", "-nic user,model=e1000", "-nic user,model=virtio-net-pci", "-net nic -net user"),
    *("-drive if=virtio,driver=null-co,size=64M,read-zeroes=on", "-vga none", "-device virtio-net-pci", "-nic none"),
    *("-drive if=pflash,driver=null-co,size=256K,read-zeroes=on", "-drive if=floppy,driver=null-co,size=1440K"),
    *("-drive if=pflash,driver=null-co,size=512K,read-zeroes=on", "-global VGA.vgamem_mb=8", "-rtc driftfix=slew"),
)
_PC_GLOBALS = (
    *("PIIX4_PM.disable_s3=1", "PIIX4_PM.disable_s4=1", "ICH9-LPC.disable_s3=1", "ICH9-LPC.disable_s4=1"),
    *("PIIX4_PM.acpi-pci-hotplug-with-bridge-support=off", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"),
    *("PIIX4_PM.acpi-root-pci-hotplug=off", "PIIX4_PM.memory-hotplug-support=off", "PIIX4_PM.s4_val=1"),
    *("PIIX4_PM.x-not-migrate-acpi-index=on", "ICH9-LPC.x-smi-broadcast=off", "ICH9-LPC.x-smi-cpu-hotplug=off"),
    *("ICH9-LPC.noreboot=off", "hpet.timers=4", "hpet.msi=on", "i8042.extended-state=off", "i8042.kbd-throttle=on"),
    *("i8042.extended-state-load=off", "fw_cfg_io.dma_enabled=off", "fw_cfg_io.x-file-slots=32", "ioapic.version=17"),
    *("mch.extended-tseg-mbytes=8", "mch.smbase-smram=off", "mc146818rtc.lost_tick_policy=slew"),
    *("mc146818rtc.base_year=1980", "kvm-pit.lost_tick_policy=discard", "vmmouse.vmstate=1", "isa-pcspk.migrate=off"),
    *("isa-fdc.fallback=120", "isa-serial.wakeup=1", "apic-common.legacy-instance-id=on", "PIIX.rcr=1"),
    *("q35-pcihost.pci-hole64-size=1G", "q35-pcihost.short_root_bus=1", "i440FX-pcihost.short_root_bus=1"),
    *("ICH9-LPC.enable_tco=off", "PIIX4_PM.smm-enabled=on", "ICH9-LPC.x-keep-pci-slot-hpc=off", "vmport.x-cmds-v2=off"),
    *("cfi.pflash01.old-multiple-chip-handling=on", "apic-common.vapic=off", "ioapic.version=32", "mch.x-config=off"),
    *("virtio-net-pci.romfile=", "e1000.romfile=", "VGA.romfile=", "pcie-root-port.x-native-hotplug=off"),
    *(
        "isa-fdc.fdtypeA=120",
        "isa-serial.index=3",
        "hpet.hpet-intcap=4",
        "mc146818rtc.iobase=0x70",
        "fw_cfg_io.acpi-mr-restore=off",
    ),
    *("ICH9-LPC.smm-enabled=on", "virtio-pci.disable-legacy=on", "PCIDevice.x-pcie-lnksta-dllla=off", "apic.vapic=off"),
)
_PC_MEMORY = ("16", "24", "32", "64", "16,slots=2,maxmem=1G", "32,slots=4,maxmem=1G", "16,slots=2,maxmem=2G")
_PC_BUSES = (
    *("pci", "pci", "pci", "pci", "pci", "pci", "isa", "ide", "usb", "scsi", "hda", "ports", "i2c", "free", "dimm"),
    *("hub", "nvme", "ufs", "ccid", "ipack"),
)


def _other_boards() -> Iterator[Board]:
    """Boards whose machine types have no versions: of firmware that is not there, so that most stand still."""
    nothing = options_of("dump-guest-core=off mem-merge=off graphics=off")
    of_the_board = ("",)
    arm = "qemu-system-aarch64"
    peripheral = ("any usb", "i2c", "sd", "free")
    for program, pattern, weight, buses, memory, given in (
        (arm, "versatile[ap]b|realview-[a-z0-9-]+", 3, ("pci", "scsi", "usb", "any usb"), ("64", "128"), ""),
        (arm, "vexpress-a9|vexpress-a15|integratorcp", 2, ("mmio", "free"), ("64", "128", "256"), ""),
        (arm, "raspi[0-9a-z]+", 3, ("any usb", "free"), ("",), ""),
        (arm, "[a-z0-9-]+-bmc|ast[0-9]+-evb", 3, ("i2c", "i2c", "any usb"), ("",), ""),
        (arm, "mps[23]-an[0-9]+|musca-[ab1]+|emcraft-sf2|b-l475e-iot01a|max78000fthr", 2, ("free",), ("",), _NO_KERNEL),
        (
            arm,
            "microbit|netduino[a-z0-9]+|stm32vldiscovery|lm3s[0-9]+evb|olimex-[a-z0-9-]+",
            2,
            ("free",),
            ("",),
            _NO_KERNEL,
        ),
        (arm, "xlnx-[a-z0-9-]+|xilinx-zynq-a9|amd-versal-virt", 2, peripheral, ("", "256", "512"), ""),
        (arm, "imx[0-9a-z]+-[a-z]+|mcimx[0-9a-z-]+|sabrelite|kzm", 2, peripheral, ("", "128"), ""),
        (
            arm,
            "cubieboard|orangepi-pc|bpim2u|npcm[0-9]+-evb|quanta-[a-z0-9-]+|kudo-bmc|highbank|midway",
            2,
            peripheral,
            of_the_board,
            "",
        ),
        (
            arm,
            "smdkc210|nuri|collie|sx1|n800|spitz|akita|z2|musicpal|canon-a1100|sbsa-ref",
            2,
            peripheral,
            of_the_board,
            "",
        ),
        (
            "qemu-system-ppc64",
            "mac99|g3beige|40p",
            4,
            ("pci", "pci", "usb", "any usb", "scsi"),
            ("64", "128", "256"),
            "",
        ),
        ("qemu-system-ppc64", "ppce500|mpc8544ds|bamboo|sam460ex", 3, ("pci", "scsi", "usb", "i2c"), of_the_board, ""),
        ("qemu-system-ppc64", "ref405ep|virtex-ml507|pegasos[12]|amigaone", 3, ("pci", "usb"), of_the_board, ""),
        ("qemu-system-ppc64", "powernv[0-9]+(?:-rainier)?", 4, ("i2c", "free", "isa"), ("1024", "2048"), ""),
        ("qemu-system-riscv64", "sifive_u|sifive_e|spike|shakti_c|k230", 6, ("free", "sd"), ("", "64", "128"), ""),
        ("qemu-system-riscv64", "microchip-icicle-kit|xiangshan-[a-z]+|tt-atlantis", 2, ("free", "sd"), ("",), ""),
        ("qemu-system-riscv64", "amd-microblaze-v-generic|boston-aia", 2, ("free", "pci"), ("",), ""),
    ):
        words = (*_WORDS, "-serial null", "-serial null -serial null", "-semihosting")
        yield Board(program, pattern, weight, buses, memory, nothing, (), _MIGRATION, words, given)


_NO_KERNEL = "-kernel /dev/null"

BOARDS: tuple[Board, ...] = (
    Board(
        "qemu-system-x86_64",
        r"pc-q35-\d+\.\d+",
        50,
        (*_PC_BUSES, "pcie", "pcie", "port", "upstream", "ahci", "expander", "cxl", "cxl port", "cxl switch", "nested"),
        _PC_MEMORY,
        options_of(
            "hpet=off smm=off vmport=off pic=off pit=off sata=off smbus=off i8042=off acpi=off usb=on nvdimm=on "
            "fd-bootchk=off mem-merge=off max-fw-size=4194304 max-ram-below-4g=1G hmat=on default-bus-bypass-iommu=on "
            "cxl=on smbios-entry-point-type=64|32 x-oem-id=ABC aux-ram-share=on kernel-irqchip=off graphics=off "
            "nvdimm-persistence=cpu x-south-bridge=PIIX3"
        ),
        _X86_CPUS,
        (*_MIGRATION, *_PC_GLOBALS),
        (*_WORDS, *_PC_WORDS),
    ),
    Board(
        "qemu-system-x86_64",
        r"pc-i440fx-\d+\.\d+",
        38,
        (*_PC_BUSES, "conventional", "floppy"),
        _PC_MEMORY,
        options_of(
            "hpet=off smm=off vmport=off pic=off pit=off acpi=off usb=on nvdimm=on i8042=off fd-bootchk=off "
            "dump-guest-core=off max-ram-below-4g=1G x-south-bridge=piix4-isa x-oem-id=ABC "
            "smbios-entry-point-type=64|32 graphics=off aux-ram-share=on default-bus-bypass-iommu=on"
        ),
        _X86_CPUS,
        (*_MIGRATION, *_PC_GLOBALS),
        (*_WORDS, *_PC_WORDS),
    ),
    Board(
        "qemu-system-x86_64",
        r"microvm",
        8,
        ("mmio",),
        ("16", "32", "64"),
        options_of("rtc=on|off pic=off pit=off isa-serial=off pcie=on ioapic2=off acpi=off usb=on"),
        _X86_CPUS,
        _MIGRATION,
        (*_WORDS, "-serial null"),
    ),
    Board(
        "qemu-system-x86_64",
        r"isapc",
        4,
        ("isa", "ide", "floppy"),
        ("16", "32"),
        options_of("hpet=on pic=off pit=off i8042=off"),
        ("486", "pentium", "qemu32"),
        (*_MIGRATION, *_PC_GLOBALS),
        (*_WORDS, *_PC_WORDS),
    ),
    Board(
        "qemu-system-aarch64",
        r"virt-\d+\.\d+",
        10,
        (
            *(
                "pci",
                "pci",
                "pcie",
                "port",
                "mmio",
                "mmio",
                "usb",
                "scsi",
                "hda",
                "ports",
                "free",
                "dimm",
                "ahci",
                "sd",
            ),
            *("hub", "nvme", "ufs", "expander", "cxl", "cxl port", "nested"),
        ),
        ("32", "48", "64", "128", "64,slots=2,maxmem=2G", "32,slots=4,maxmem=1G"),
        options_of(
            "gic-version=2|3|4|max its=off highmem=off highmem-ecam=off highmem-mmio=off highmem-redists=off "
            "compact-highmem=off virtualization=on secure=on mte=on ras=on acpi=off iommu=smmuv3 usb=on "
            "dtb-randomness=off dtb-kaslr-seed=off default-bus-bypass-iommu=on cxl=on tpm=on"
        ),
        (
            *("cortex-a53", "cortex-a57", "cortex-a72", "cortex-a76", "neoverse-n1", "max", "cortex-a35", "a64fx"),
            *("cortex-a57,pmu=off", "max,sve=off", "max,pauth=off", "max,sme=off", "cortex-a15", "neoverse-v1"),
            *("max,lpa2=off", "cortex-a53,aarch64=off", "max,sve128=on,sve256=off", "cortex-a57,cfgend=on"),
            *("cortex-a53,reset-cbar=0", "cortex-a710", "neoverse-n2", "cortex-a55", "cortex-a57,cntfrq=50000000"),
        ),
        (*_MIGRATION, "virtio-mmio.force-legacy=false", "arm-gicv3.security-extensions=on", "arm-smmuv3.stage=2"),
        (*_WORDS, "-serial null", "-serial null -serial null", "-numa node", "-smbios type=1,serial=3", "-semihosting"),
    ),
    Board(
        "qemu-system-s390x",
        r"s390-ccw-virtio-\d+\.\d+",
        10,
        ("ccw", "ccw", "ccw", "ccw", "scsi", "ports", "free", "pci"),
        ("16", "24", "32", "64", "16,maxmem=1G,slots=2"),
        options_of("aes-key-wrap=off dea-key-wrap=off loadparm=ABC dump-guest-core=off zpcii-disable=on hpage=off"),
        (
            *("qemu", "max", "z900", "z990", "z10EC", "z9EC", "zEC12", "z13", "z13-base", "z14-base", "z890"),
            *("qemu,msa5=off", "max,vx=off", "qemu,vx=off", "qemu,ri=off", "qemu,gs=off", "max,dateh2=off", "z15"),
            *("qemu,edat=off", "qemu,stfle=off", "qemu,cpuid=1", "z800.3", "z9EC.3-base", "gen15a-base", "z196"),
        ),
        (
            *_MIGRATION,
            *("s390-skeys.migration-enabled=off", "s390-flic.adapter_routes_max_batch=32", "virtio-ccw.max_revision=1"),
            *("s390-flic-qemu.migrate-all-state=off", "s390-sclp-event-facility.allow_all_mask_sizes=off"),
            *("cpu-s390-cpu.dummy=1", "s390-skeys-qemu.migration-enabled=off", "s390-pcihost.x=1"),
        ),
        (*_WORDS, "-serial null", "-numa node", "-watchdog diag288"),
    ),
    Board(
        "qemu-system-ppc64",
        r"pseries-\d+\.\d+",
        10,
        ("pci", "pci", "pci", "vio", "vio", "usb", "scsi", "hda", "ports", "free", "dimm", "hub", "nvme"),
        ("256", "512", "768", "256,slots=2,maxmem=1G", "256,slots=4,maxmem=2G", "512,slots=2,maxmem=2G"),
        options_of(
            "cap-htm=off|on cap-vsx=off cap-dfp=off cap-cfpc=broken|workaround|fixed cap-sbbc=broken|workaround|fixed "
            "cap-ibs=broken|workaround|fixed-ibs|fixed-ccd|fixed-na cap-hpt-max-page-size=64k|16M cap-nested-hv=on "
            "cap-large-decr=off cap-ccf-assist=off cap-fwnmi=off cap-rpt-invalidate=on cap-ail-mode-3=on "
            "ic-mode=xics|xive|dual max-cpu-compat=power8|power9 resize-hpt=disabled|enabled usb=on x-vof=on "
            "vsmt=1|8 kernel-addr=0x400000 host-model=none host-serial=none cap-dawr1=on"
        ),
        ("power8", "power9", "power10", "POWER9_v2.0", "power8_v2.0", "power7", "power9,compat=power8", "power5+_v2.1"),
        (
            *_MIGRATION,
            *(
                "spapr-pci-host-bridge.pre-2.8-migration=on",
                "spapr-pci-host-bridge.ddw=off",
                "spapr-vlan.use-rx-buffer-pools=off",
            ),
            *("spapr-pci-host-bridge.mem64_win_size=0x2000000000", "cpu.pre-3.0-migration=on", "spapr-xive.nr-ends=64"),
            *("spapr-pci-host-bridge.dynamic-reconfiguration=off", "powerpc64-cpu.pre-2.8-migration=on"),
        ),
        (*_WORDS, "-serial null", "-numa node", "-vga std", "-prom-env auto-boot?=false"),
    ),
    Board(
        "qemu-system-riscv64",
        r"virt",
        10,
        (
            *("pci", "pci", "pcie", "port", "mmio", "mmio", "usb", "scsi", "hda", "ports", "free", "ahci", "sd"),
            *("hub", "nvme", "ufs", "nested"),
        ),
        ("32", "48", "64", "128", "256"),
        options_of("aclint=on aia=aplic|aplic-imsic aia-guests=1|3 acpi=off iommu-sys=on usb=on mem-merge=off"),
        (
            *("rv64", "rv64,h=false", "rv64,v=true", "sifive-u54", "max", "rv64,pmp=false", "veyron-v1", "rv64i"),
            *(
                "rv64,d=false",
                "rv64,Zfa=true",
                "rv64,svinval=true",
                "rv64,sstc=false",
                "rv64,smstateen=true",
                "shakti-c",
            ),
            *("rv64,pmu-num=4", "rv64,sscofpmf=true", "thead-c906", "rva22u64", "rva22s64", "rv64,sv57=false"),
            *(
                "rv64,vlen=256,v=true",
                "rv64,zicbom=false",
                "rv64,mmu=false",
                "rv64,smepmp=true",
                "sifive-e51",
                "xiangshan-nanhu",
            ),
        ),
        (*_MIGRATION, "virtio-mmio.force-legacy=false", "sifive_plic.x=1", "riscv.sifive.uart.x=1"),
        (*_WORDS, "-serial null", "-serial null -serial null", "-numa node", "-bios none", "-semihosting"),
    ),
    *_other_boards(),
)

SMP: tuple[str, ...] = (
    "1",
    "2",
    "3",
    "4",
    "2,maxcpus=4",
    "1,maxcpus=2",
    "2,sockets=1,cores=2,threads=1",
    "1,maxcpus=8",
    "1,maxcpus=4",
    "1,maxcpus=64",
    "8",
    "2,cores=2",
    "2,threads=2",
    "4,sockets=2,cores=2,threads=1",
    "4,maxcpus=8,sockets=2,cores=2,threads=2",
)

PROVIDERS: Mapping[str, tuple[str, ...]] = {
    bus: tuple(kind.name for kind in KINDS if kind.provides == bus)
    for bus in sorted({kind.provides for kind in KINDS} - {""})
}
"""Kinds of devices that have a bus."""

"""A libvirt domain XML as a command line of QEMU, as far as what it has shows in a migration stream.

    domain = domain_of(xml)
    domain.command, domain.left_out

The devices, their places and properties are those of the domain; what they are connected to on the host is not:
networks are of `-netdev user`, disks of null-co, character devices and sound go nowhere. Nothing of the XML is opened,
and the program is that of the architecture, whatever emulator it names. What is not translated is told. The elements
are from libvirt's docs/formatdomain.rst, the options those that libvirt makes of them (src/qemu/qemu_command.c).

The XML is read by expat, without a document type: there are no entities. Its size, depth and number of elements have
bounds, and no value becomes part of an option that is not a plain word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.parsers import expat

from vmstate.errors import SchemaError
from vmstate.vmsd.data import Data

LARGEST = 4 << 20
DEEPEST = 32
MOST_ELEMENTS = 20_000
LONGEST_TEXT = 4096

NO_HEADERS = "the network of a card: a tap device has virtio-net headers, -netdev user has none"
"""What is told of a network card whose back end is another one."""

_WORD = re.compile(r"[A-Za-z0-9_.+:-]{1,80}")
_UNITS = {
    "b": 1,
    "bytes": 1,
    "KB": 10**3,
    "k": 1 << 10,
    "KiB": 1 << 10,
    "MB": 10**6,
    "M": 1 << 20,
    "MiB": 1 << 20,
    "GB": 10**9,
    "G": 1 << 30,
    "GiB": 1 << 30,
    "TB": 10**12,
    "T": 1 << 40,
    "TiB": 1 << 40,
}
_SWITCHED_ON = {"require": "on", "force": "on", "optional": "on", "disable": "off", "forbid": "off"}


class Element:
    """An element: its tag, its attributes, its text, and the elements in it."""

    __slots__ = ("attributes", "inside", "tag", "text")

    def __init__(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.tag = tag
        self.attributes = dict(attributes)
        self.text = ""
        self.inside: list[Element] = []

    def __getitem__(self, name: str) -> str:
        """An attribute; an empty text where it is not there."""
        return self.attributes.get(name, "")

    def first(self, path: str) -> Element:
        """The first element at a path of tags; an empty one where there is none."""
        element = self
        for tag in path.split("/"):
            element = next((inner for inner in element.inside if inner.tag == tag), Element(tag, {}))
        return element

    def all(self, tag: str) -> list[Element]:
        """The elements in it with a tag."""
        return [inner for inner in self.inside if inner.tag == tag]


class Domain(Data):
    """What a domain XML is as a command line; `left_out` says in words what of it is not in that."""

    name: str
    command: tuple[str, ...]
    left_out: tuple[str, ...]


def read_xml(data: bytes) -> Element:
    """The top element of a text. Raises `SchemaError` where it is no XML, has a document type, or is too large."""
    if len(data) > LARGEST:
        raise SchemaError("the XML is too large", expected=f"at most {LARGEST:,} bytes", found=f"{len(data):,} bytes")
    top = Element("", {})
    stack = [top]
    count = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if len(stack) > DEEPEST or count > MOST_ELEMENTS:
            raise SchemaError("the XML has too many elements, or too deep ones")
        element = Element(tag, attributes)
        stack[-1].inside.append(element)
        stack.append(element)

    def text(piece: str) -> None:
        if len(stack[-1].text) < LONGEST_TEXT:
            stack[-1].text += piece.strip()

    def refuse(*_: Any) -> None:
        raise SchemaError("the XML has a document type, which no domain of libvirt has")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _tag: stack.pop()
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise SchemaError(f"this is no XML: {error}") from None
    return top.inside[0]


def is_domain(head: bytes) -> bool:
    """Whether a text begins like a domain XML, or what libvirt puts around one."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return text.startswith((b"<?xml", b"<!--", b"<domain")) and b"<domain" in head


def domain_of(data: bytes, *, kvm: bool = False) -> Domain:
    """The command line of a domain XML; with `kvm` a domain of that type is started so, else by TCG.

    Raises `SchemaError`.
    """
    top = read_xml(data)
    domain = next((element for element in (top, *top.all("domain")) if element.tag == "domain"), None)
    if domain is None:
        raise SchemaError("this is no domain of libvirt", expected="<domain>", found=f"<{top.tag[:40]}>")
    return _Translation(domain, kvm=kvm).domain()


_ORDER = (
    "iommu controller disk interface serial parallel channel console tpm input video sound watchdog redirdev hostdev "
    "memballoon rng panic shmem vsock"
)
_CONTROLLERS = ("pci", "usb", "scsi", "ide", "sata", "virtio-serial")


def order_on_command_line(element: Element) -> tuple[int, int, int]:
    """Where libvirt puts a device: bridges before what is behind them, and those by their index."""
    kinds = _ORDER.split()
    place = kinds.index(element.tag) if element.tag in kinds else len(kinds)
    if element.tag != "controller":
        return place, 0, 0
    kind = _CONTROLLERS.index(element["type"]) if element["type"] in _CONTROLLERS else len(_CONTROLLERS)
    return place, kind, int(element["index"]) if re.fullmatch(r"\d{1,4}", element["index"]) else 0


class _Translation:
    """A domain on its way to a command line."""

    def __init__(self, domain: Element, *, kvm: bool) -> None:
        self.element = domain
        self.kvm = kvm and domain["type"] == "kvm"
        self.words: list[str] = []
        self.left_out: list[str] = []
        self.backends = 0
        self.arch = self.word(domain.first("os/type")["arch"]) or "x86_64"
        self.machine = self.word(domain.first("os/type")["machine"]) or "pc"
        self.is_x86 = self.arch in ("x86_64", "i686")

    def domain(self) -> Domain:
        """The whole."""
        arch = "i386" if self.arch == "i686" else self.arch
        self.words = [f"qemu-system-{arch}"]
        self.base()
        for device in sorted(self.element.first("devices").inside, key=order_on_command_line):
            self.device(device)
        if self.element.inside and any(element.tag.endswith("commandline") for element in self.element.inside):
            self.left_out.append("words of a command line that the XML has (qemu:commandline)")
        name = self.element.first("name").text or "the domain"
        return Domain(name, (*self.words, "-nodefaults", "-no-user-config", "-display", "none"), tuple(self.left_out))

    def word(self, text: str) -> str:
        """A text where it is a plain word, else nothing, which is told."""
        if text and not _WORD.fullmatch(text):
            self.left_out.append(f"a value that is no plain word: {text[:40]!r}")
            return ""
        return text

    def number(self, text: str, default: int = 0) -> int:
        """A number in decimal or with 0x."""
        try:
            return int(text, 0)
        except ValueError:
            if text:
                self.left_out.append(f"a value that is no number: {text[:40]!r}")
            return default

    def size(self, element: Element) -> int:
        """The bytes of an element with a unit, KiB where it has none."""
        return self.number(element.text) * _UNITS.get(element["unit"] or "KiB", 1 << 10)

    # What is no device.

    def base(self) -> None:
        """Machine, processor, memory, identity, clock."""
        domain = self.element
        options = [self.machine]
        features = domain.first("features")
        if features.first("smm")["state"]:
            options.append(f"smm={self.word(features.first('smm')['state'])}")
        if features.first("ioapic")["driver"] == "qemu" and self.kvm:
            options.append("kernel_irqchip=split")
        for timer in domain.first("clock").all("timer"):
            if timer["name"] == "hpet" and timer["present"] in ("no", "yes") and self.is_x86:
                options.append(f"hpet={'on' if timer['present'] == 'yes' else 'off'}")
        if features.first("hyperv").inside:
            self.left_out.append("enlightenments of Hyper-V, which show in the processor's section")
        self.words += ["-machine", ",".join(options), "-accel", "kvm" if self.kvm else "tcg"]
        if domain["type"] == "kvm" and not self.kvm:
            self.left_out.append("KVM: it is started by TCG, which shows in the processor's sections")
        self.processor()
        most = domain.first("maxMemory")
        more = f",slots={self.number(most['slots'])},maxmem={self.size(most) >> 10}k" if most.text else ""
        self.words += ["-m", f"size={self.size(domain.first('memory')) >> 10 or 131072}k{more}"]
        uuid = self.word(domain.first("uuid").text)
        if uuid:
            self.words += ["-uuid", uuid]
        self.words += ["-rtc", f"base={'localtime' if domain.first('clock')['offset'] == 'localtime' else 'utc'}"]
        for state, option in (("suspend-to-mem", "disable_s3"), ("suspend-to-disk", "disable_s4")):
            enabled = domain.first(f"pm/{state}")["enabled"]
            if enabled and self.is_x86:
                driver = "ICH9-LPC" if "q35" in self.machine else "PIIX4_PM"
                self.words += ["-global", f"{driver}.{option}={int(enabled == 'no')}"]
        if domain.first("os/loader").text:
            self.left_out.append("the firmware of <loader>, whose files are memory blocks")
        if domain.first("os/kernel").text:
            self.left_out.append("the kernel of <os>, which is in guest memory and in fw_cfg")
        if domain.first("cpu/numa").inside or domain.first("numatune").inside:
            self.left_out.append("NUMA nodes, which show in the names of memory blocks")
        if domain.first("memoryBacking").inside:
            self.left_out.append("the backing of memory, which names its block where it is a backend of its own")

    def processor(self) -> None:
        """-cpu and -smp."""
        cpu = self.element.first("cpu")
        features = [
            f"{self.word(feature['name'])}={_SWITCHED_ON.get(feature['policy'], 'on')}"
            for feature in cpu.all("feature")
        ]
        model = self.word(cpu.first("model").text)
        if cpu["mode"] in ("host-passthrough", "maximum", "host-model") and not model:
            model = "host" if self.kvm and cpu["mode"] != "maximum" else "max"
            self.left_out.append(f"the processor's model: {cpu['mode']} is that of the host, here -cpu {model}")
        if model:
            self.words += ["-cpu", ",".join([model, *features])]
        most = self.number(self.element.first("vcpu").text, 1)
        now = self.number(self.element.first("vcpu")["current"], most)
        shape = cpu.first("topology").attributes
        known = ("sockets", "dies", "clusters", "cores", "threads")
        parts = [f"{name}={self.number(shape[name], 1)}" for name in known if shape.get(name) and shape[name] != "1"]
        self.words += ["-smp", ",".join([str(now), f"maxcpus={most}", *parts])]

    # Devices.

    def device(self, element: Element) -> None:
        """An element of <devices>."""
        if element.tag in ("emulator", "alias", "graphics", "audio"):
            return
        translate = getattr(self, f"device_{element.tag}", None)
        words = None if translate is None else list(translate(element))
        if words is None or words == ["?"]:
            kind = (
                element["type"] or element["model"] or element.first("model")["type"] or element.first("model")["name"]
            )
            self.left_out.append(f"<{element.tag}>{f' of {kind[:40]!r}' if kind else ''}")
            return
        self.words += words

    def place(self, element: Element) -> str:
        """bus= and addr= of a device."""
        address = element.first("address")
        if address["type"] == "pci":
            bus = self.number(address["bus"])
            root = "pcie.0" if "q35" in self.machine or self.arch in ("aarch64", "riscv64") else "pci.0"
            more = ",multifunction=on" if address["multifunction"] == "on" else ""
            slot, function = self.number(address["slot"]), self.number(address["function"])
            return f",bus={f'pci.{bus}' if bus else root},addr={slot:#x}.{function:#x}{more}"
        if address["type"] == "ccw":
            cssid, ssid, devno = (self.number(address[name]) for name in ("cssid", "ssid", "devno"))
            return f",devno={cssid:x}.{ssid:x}.{devno:04x}"
        return ""

    def virtio(self, element: Element, name: str) -> str:
        """The name of a virtio device on the bus that it is on, with what it says of its transport."""
        if element.first("address")["type"] == "ccw":
            return f"virtio-{name}-ccw{self.place(element)}"
        model = element["model"] or element.first("model")["type"]
        kind = {"virtio-transitional": "-transitional", "virtio-non-transitional": "-non-transitional"}.get(model, "")
        driver = element.first("driver")
        more = "".join(
            f",{option}={self.word(driver[key])}"
            for key, option in (
                ("iommu", "iommu_platform"),
                ("ats", "ats"),
                ("packed", "packed"),
                ("page_per_vq", "page-per-vq"),
            )
            if driver[key]
        )
        return f"virtio-{name}-pci{kind}{self.place(element)}{more}"

    def backend(self, option: str, form: str) -> tuple[str, list[str]]:
        """A back end of its own that reaches nothing: its id, and its words."""
        self.backends += 1
        name = f"stand-in{self.backends}"
        return name, [option, form.format(id=name)]

    def device_controller(self, element: Element) -> Iterator[str]:
        """A controller: PCI bridges and ports, USB, SCSI, serial."""
        kind, model, index = element["type"], element["model"], self.number(element["index"])
        where = self.place(element)
        if kind == "pci":
            if model in ("pcie-root", "pci-root"):
                return
            names = {
                "pcie-root-port": "pcie-root-port",
                "pcie-to-pci-bridge": "pcie-pci-bridge",
                "pci-bridge": "pci-bridge",
                "dmi-to-pci-bridge": "i82801b11-bridge",
                "pcie-switch-upstream-port": "x3130-upstream",
                "pcie-switch-downstream-port": "xio3130-downstream",
                "pcie-expander-bus": "pxb-pcie",
            }
            name = element.first("model")["name"]
            # Of PCIe ports there are those of QEMU and ioh3420; anything else is no bridge.
            name = name if name in (*names.values(), "ioh3420") else names.get(model, "")
            if not name:
                yield "?"
                return
            target = element.first("target")
            numbers = (("port", "port"), ("chassis", "chassis"), ("chassisNr", "chassis_nr"), ("busNr", "bus_nr"))
            more = "".join(f",{option}={self.number(target[key])}" for key, option in numbers if target[key])
            yield from ("-device", f"{name}{more},id=pci.{index}{where}")
        elif kind == "usb":
            names = {"piix3-uhci": "piix3-usb-uhci", "piix4-uhci": "piix4-usb-uhci", "nec-xhci": "nec-usb-xhci"}
            names |= {"ehci": "usb-ehci", "pci-ohci": "pci-ohci", "qemu-xhci": "qemu-xhci"}
            if model == "none":
                return
            name = names.get(model) or ("qemu-xhci" if not model and not self.is_x86 else "")
            if re.fullmatch(r"ich9-[eu]hci\d", model):
                name = model.replace("ich9-", "ich9-usb-")
            if not name and not model and self.is_x86:
                name = "piix3-usb-uhci"
            if not name:
                yield "?"
                return
            ports = self.number(element["ports"])
            more = f",p2={ports},p3={ports}" if ports else ""
            master = element.first("master")["startport"]
            bus = "usb" if not index else f"usb{index}"
            identity = f",masterbus={bus}.0,firstport={self.number(master)}" if master else f",id={bus}"
            yield from ("-device", f"{name}{more}{identity}{where}")
        elif kind == "virtio-serial":
            number = self.number(element["ports"])
            more = f",max_ports={number}" if number else ""
            yield from ("-device", f"{self.virtio(element, 'serial')},id=virtio-serial{index}{more}")
        elif kind == "scsi":
            if model and not model.startswith("virtio"):
                names = {"lsilogic": "lsi", "lsisas1068": "mptsas1068", "lsisas1078": "megasas", "vmpvscsi": "pvscsi"}
                names |= {"am53c974": "am53c974", "dc390": "dc-390", "dc-390": "dc-390"}
                yield from ("-device", f"{names[model]},id=scsi{index}{where}") if model in names else "?"
                return
            queues = self.number(element.first("driver")["queues"])
            more = f",num_queues={queues}" if queues else ""
            yield from ("-device", f"{self.virtio(element, 'scsi')},id=scsi{index}{more}")
        elif kind == "sata" and not ("q35" in self.machine and index == 0):
            yield from ("-device", f"ahci,id=sata{index}{where}")
        elif kind not in ("sata", "ide", "fdc", "isa", "ccid"):
            yield "?"

    def device_disk(self, element: Element) -> Iterator[str]:
        """A disk, with nothing in it."""
        bus, is_cd = element.first("target")["bus"], element["device"] == "cdrom"
        address = element.first("address")
        controller, unit = self.number(address["controller"]), self.number(address["unit"])
        name, words = self.backend("-blockdev", "driver=null-co,node-name={id},read-zeroes=on,size=1073741824")
        if bus == "virtio":
            queues = self.number(element.first("driver")["queues"])
            device = self.virtio(element, "blk") + (f",num-queues={queues}" if queues else "")
        elif bus == "scsi":
            kind = "scsi-cd" if is_cd else "scsi-hd"
            device = f"{kind},bus=scsi{controller}.0,channel=0,scsi-id={self.number(address['target'])},lun={unit}"
        elif bus == "sata":
            parent = "ide" if "q35" in self.machine and controller == 0 else f"sata{controller}"
            device = f"{'ide-cd' if is_cd else 'ide-hd'},bus={parent}.{unit}"
        elif bus == "ide":
            device = f"{'ide-cd' if is_cd else 'ide-hd'},bus=ide.{self.number(address['bus'])},unit={unit}"
        elif bus == "usb":
            device = f"usb-storage{self.port(element)}"
        else:
            yield "?"
            return
        yield from words
        yield from ("-device", f"{device},drive={name}")

    def port(self, element: Element) -> str:
        """bus= and port= of a USB device."""
        address = element.first("address")
        if address["type"] != "usb":
            return ""
        bus = self.number(address["bus"])
        return f",bus={'usb' if not bus else f'usb{bus}'}.0,port={self.word(address['port'])}"

    def device_interface(self, element: Element) -> Iterator[str]:
        """A network card; its network is one of its own."""
        model = element.first("model")["type"]
        name, words = self.backend("-netdev", "user,id={id}")
        driver = element.first("driver")
        if model.startswith("virtio"):
            device = self.virtio(element, "net")
            for key, option in (("rx_queue_size", "rx_queue_size"), ("tx_queue_size", "tx_queue_size")):
                if driver[key]:
                    device += f",{option}={self.number(driver[key])}"
            if element.first("mtu")["size"]:
                device += f",host_mtu={self.number(element.first('mtu')['size'])}"
            if self.number(driver["queues"]) > 1:
                self.left_out.append(f"{driver['queues'][:10]} queue pairs of a network card, which need a tap device")
            self.left_out.append(NO_HEADERS)
        elif model in ("e1000", "e1000e", "rtl8139", "ne2k_pci", "pcnet", "vmxnet3", "igb", "i82559er", "tulip"):
            device = f"{model}{self.place(element)}"
        else:
            yield "?"
            return
        mac = self.word(element.first("mac")["address"])
        rom = element.first("rom")
        more = f",mac={mac}" if mac else ""
        if rom["bar"] == "off" or rom["enabled"] == "no":
            more += ",romfile="
        elif rom["file"]:
            self.left_out.append("the option ROM of a card (<rom file=>)")
        yield from words
        yield from ("-device", f"{device},netdev={name}{more}")

    def chardev(self) -> tuple[str, list[str]]:
        """A character device that goes nowhere."""
        return self.backend("-chardev", "null,id={id}")

    def device_serial(self, element: Element) -> Iterator[str]:
        """A serial port."""
        kind = element.first("target")["type"]
        name, words = self.chardev()
        if kind in ("isa-serial", "") and self.is_x86:
            yield from (
                *words,
                "-device",
                f"isa-serial,chardev={name},index={self.number(element.first('target')['port'])}",
            )
        elif kind in ("system-serial", "sclp-serial", "spapr-vio-serial", ""):
            yield from (*words, "-serial", f"chardev:{name}")
        elif kind in ("usb-serial", "pci-serial"):
            where = self.port(element) if kind == "usb-serial" else self.place(element)
            yield from (*words, "-device", f"{kind},chardev={name}{where}")
        else:
            yield "?"

    def device_console(self, element: Element) -> Iterator[str]:
        """A console: the first serial one is the serial port itself."""
        kind = element.first("target")["type"]
        if kind in ("serial", ""):
            return
        name, words = self.chardev()
        if kind == "virtio":
            yield from (*words, "-device", f"virtconsole,chardev={name}{self.nr(element)}")
        elif kind in ("sclp", "sclplm"):
            yield from (*words, "-device", f"{kind}console,chardev={name}")
        else:
            yield "?"

    def nr(self, element: Element) -> str:
        """bus= and nr= of a port of virtio-serial."""
        address = element.first("address")
        if address["type"] != "virtio-serial":
            return ""
        return f",bus=virtio-serial{self.number(address['controller'])}.0,nr={self.number(address['port'])}"

    def device_channel(self, element: Element) -> Iterator[str]:
        """A channel of virtio-serial."""
        target = element.first("target")
        if target["type"] != "virtio":
            yield "?"
            return
        name, words = self.chardev()
        label = self.word(target["name"])
        yield from (
            *words,
            "-device",
            f"virtserialport{self.nr(element)},chardev={name}" + (f",name={label}" if label else ""),
        )

    def device_parallel(self, _element: Element) -> Iterator[str]:
        """A parallel port."""
        name, words = self.chardev()
        yield from (*words, "-device", f"isa-parallel,chardev={name}")

    def device_input(self, element: Element) -> Iterator[str]:
        """A keyboard, mouse or tablet; those of PS/2 are there anyhow."""
        kind, bus = element["type"], element["bus"]
        if bus == "usb":
            names = {"tablet": "usb-tablet", "mouse": "usb-mouse", "keyboard": "usb-kbd"}
            yield from ("-device", f"{names[kind]}{self.port(element)}") if kind in names else "?"
        elif bus == "virtio" and kind in ("tablet", "mouse", "keyboard"):
            yield from ("-device", self.virtio(element, kind))
        elif bus != "ps2":
            yield "?"

    def device_video(self, element: Element) -> Iterator[str]:
        """A graphics card."""
        model = element.first("model")
        kind, where = model["type"], self.place(element)
        is_first = model["primary"] != "no"
        more = ""
        if kind == "qxl":
            for key, option in (("ram", "ram_size"), ("vram", "vram_size")):
                if model[key]:
                    more += f",{option}={self.number(model[key]) << 10}"
            if model["vram64"]:
                more += f",vram64_size_mb={self.number(model['vram64']) >> 10}"
        if kind in ("qxl", "vga") and (model["vgamem"] or (kind == "vga" and model["vram"])):
            more += f",vgamem_mb={self.number(model['vgamem'] or model['vram']) >> 10}"
        heads = self.number(model["heads"], 1)
        if kind in ("qxl", "virtio"):
            more += f",max_outputs={heads}"
        names = {"vga": "VGA", "cirrus": "cirrus-vga", "bochs": "bochs-display", "ramfb": "ramfb"}
        if kind == "virtio":
            if element.first("address")["type"] == "ccw":
                name = self.virtio(element, "gpu")
            else:
                name = f"{'virtio-vga' if self.is_x86 and is_first else 'virtio-gpu-pci'}{where}"
            yield from ("-device", name + more)
        elif kind == "qxl":
            yield from ("-device", f"{'qxl-vga' if is_first else 'qxl'}{where}{more}")
        elif kind in names:
            yield from ("-device", f"{names[kind]}{where}{more}")
        elif kind != "none":
            yield "?"

    def device_sound(self, element: Element) -> Iterator[str]:
        """A sound card."""
        names = {"ich6": "intel-hda", "ich9": "ich9-intel-hda", "ac97": "AC97", "es1370": "ES1370", "sb16": "sb16"}
        kind = names.get(element["model"])
        if kind is None:
            yield "?"
            return
        name, words = self.backend("-audiodev", "none,id={id}")
        yield from words
        if "hda" not in kind:
            yield from ("-device", f"{kind}{self.place(element)},audiodev={name}")
            return
        yield from ("-device", f"{kind},id={name}-card{self.place(element)}")
        for number, codec in enumerate(element.all("codec") or [Element("codec", {"type": "duplex"})]):
            codec_name = f"hda-{self.word(codec['type'])}"
            yield from ("-device", f"{codec_name},bus={name}-card.0,cad={number},audiodev={name}")

    def device_memballoon(self, element: Element) -> Iterator[str]:
        """A balloon."""
        if element["model"].startswith("virtio"):
            names = (("autodeflate", "deflate-on-oom"), ("freePageReporting", "free-page-reporting"))
            more = "".join(f",{option}={self.word(element[key])}" for key, option in names if element[key])
            yield from ("-device", f"{self.virtio(element, 'balloon')}{more}")
        elif element["model"] != "none":
            yield "?"

    def device_rng(self, element: Element) -> Iterator[str]:
        """A source of random numbers."""
        name, words = self.backend("-object", "rng-builtin,id={id}")
        yield from (*words, "-device", f"{self.virtio(element, 'rng')},rng={name}")

    def device_watchdog(self, element: Element) -> Iterator[str]:
        """A watchdog; that of q35 is there anyhow."""
        if element["model"] in ("i6300esb", "ib700", "diag288"):
            yield from ("-device", f"{element['model']}{self.place(element)}")
        elif element["model"] != "itco":
            yield "?"

    def device_panic(self, element: Element) -> Iterator[str]:
        """A device by which a guest says that it has panicked."""
        names = {"isa": "pvpanic", "": "pvpanic", "pvpanic": "pvpanic-pci"}
        kind = names.get(element["model"])
        if kind is None or (kind == "pvpanic" and not self.is_x86):
            yield "?"
            return
        yield from ("-device", f"{kind}{self.place(element)}")

    def device_redirdev(self, element: Element) -> Iterator[str]:
        """A USB device of another machine's."""
        name, words = self.chardev()
        yield from (*words, "-device", f"usb-redir,chardev={name}{self.port(element)}")

    def device_iommu(self, element: Element) -> Iterator[str]:
        """A virtual IOMMU."""
        driver = element.first("driver")
        names = (("intremap", "intremap"), ("caching_mode", "caching-mode"), ("eim", "eim"), ("iotlb", "device-iotlb"))
        if element["model"] == "intel":
            more = "".join(f",{option}={self.word(driver[key])}" for key, option in names if driver[key])
            more += f",aw-bits={self.number(driver['aw_bits'])}" if driver["aw_bits"] else ""
            yield from ("-device", f"intel-iommu{more}")
        elif element["model"] == "virtio":
            yield from ("-device", f"virtio-iommu{self.place(element)}")
        else:
            yield "?"

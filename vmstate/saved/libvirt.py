"""Save images of libvirt: `virsh save`, managed save, the memory of an external snapshot.

92 bytes of header in the byte order of the host: 16 of magic (`LibvirtQemudSave`, and `LibvirtQemudPart` until the
image is whole); u32 version (1 or 2), size of the data behind the header, whether the machine ran, format, offset of
the cookie in the data (0: none), 14 unused. The data: the domain's XML, a zero byte, the cookie's XML, a zero byte,
zeros. Then the stream, as the program of the format writes it; format 6, sparse, is mapped-ram, whose offsets are those
of the whole file. Facts from libvirt's src/qemu/qemu_saveimage.c and qemu_saveimage_format.h.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any

from vmstate.errors import StreamError
from vmstate.files import PIECE
from vmstate.saved.containers import Container
from vmstate.saved.opening import Input, collected, form_of, plain_pieces
from vmstate.saved.unfinished import tell_unfinished
from vmstate.vmsd.data import Value

MAGIC = b"LibvirtQemudSave"
PARTIAL_MAGIC = b"LibvirtQemudPart"

HEADER_SIZE = 92
VERSION = 2

FORMATS = ("raw", "gzip", "bzip2", "xz", "lzop", "zstd", "sparse")
"""What the stream is kept in, by the number in the header."""

LARGEST_DATA = 64 << 20
"""Bytes that the XML, the cookie and what pads them may take together."""


class LibvirtImage(Container, Value):
    """A save image. `head` is all of it in front of the stream, as it came."""

    head: bytes
    is_whole: bool
    is_big_endian: bool
    version: int
    was_running: bool
    form: str
    xml: bytes
    cookie: bytes

    @property
    def stream_offset(self) -> int:
        """Where in the file the stream begins, compressed or not."""
        return len(self.head)

    def facts(self) -> dict[str, Any]:
        """The header, and what the XML says of the domain."""
        return {
            "kind": "libvirt",
            "format": self.form,
            "version": self.version,
            "whole": self.is_whole,
            "was_running": self.was_running,
            "stream_offset": self.stream_offset,
            **domain_facts(self.xml),
            "cookie": cookie_facts(self.cookie),
        }

    def lines(self) -> list[tuple[str, str]]:
        """The same for a reader."""
        facts = domain_facts(self.xml)
        state = "ran" if self.was_running else "was paused"
        order = ", of a big-endian host" if self.is_big_endian else ""
        rows = [("kept in", f"a save image of libvirt, format {self.form}{order}; the domain {state}")]
        if not self.is_whole:
            rows.append(("incomplete", "libvirt was still writing it, and does not restore it"))
        if facts["domain"] is None:
            return [*rows, ("XML", "none that can be read")]
        about = [facts["domain"] or "without a name", facts["machine"], facts["arch"]]
        if facts["memory"] is not None:
            about.append(f"{facts['memory'] >> 10} KiB")
        if facts["vcpus"] is not None:
            about.append(f"{facts['vcpus']} vcpus")
        rows.append(("domain", ", ".join(word for word in about if word)))
        rows += [("", device) for device in facts["devices"]]
        cookie = cookie_facts(self.cookie)
        if cookie is not None:
            rows.append(("cookie", f"CPU {cookie['cpu']}, {cookie['features']} features told"))
        return rows


def open_image(opened: Input, limit: int) -> Input:
    """The stream in a save image; `limit` is how many bytes are taken of a compressed one."""
    image = read_image(opened)
    start = image.stream_offset
    if not image.is_whole:
        tell_unfinished(
            opened.name, "libvirt was still writing this save image (LibvirtQemudPart), and does not restore it"
        )
    if image.form in ("raw", "sparse"):
        inside = opened.moved(start)
        if form_of(bytes(inside.data[:9])) is not None:
            raise StreamError(
                f"the header says {image.form}, and what follows is compressed", file=opened.name, offset=start
            )
    else:
        pieces = plain_pieces(_slices(opened.data[start:]), image.form, opened.name)
        if not image.is_whole:
            pieces = as_far_as_it_goes(pieces)
        inside = collected(pieces, opened.name, limit)
        opened.close()
    inside.container = image
    return inside


def _slices(data: memoryview) -> Iterator[bytes]:
    return (bytes(data[at : at + PIECE]) for at in range(0, len(data), PIECE))


def as_far_as_it_goes(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """What can be decompressed of what breaks off. Raises `StreamError` where that is nothing."""
    passed = 0
    try:
        for piece in pieces:
            passed += len(piece)
            yield piece
    except StreamError:
        if not passed:
            raise


def read_image(opened: Input) -> LibvirtImage:
    """The header and the XML of a save image."""
    data, name = opened.data, opened.name
    magic = bytes(data[:16])
    if magic not in (MAGIC, PARTIAL_MAGIC):
        raise StreamError("a save image of libvirt with an unknown magic", file=name, found=repr(magic))
    if len(data) < HEADER_SIZE:
        raise StreamError(
            "the header of the save image is cut off", file=name, expected=f"{HEADER_SIZE} bytes", found=str(len(data))
        )
    order = "<"
    if struct.unpack_from("<I", data, 16)[0] > VERSION:
        # Of a host with the other byte order.
        order = ">"
    version, size, was_running, number, cookie_at = struct.unpack_from(f"{order}5I", data, 16)
    if version > VERSION:
        raise StreamError(
            "a save image of an unknown version", file=name, offset=16, expected=f"1 or {VERSION}", found=str(version)
        )
    if number >= len(FORMATS):
        known = ", ".join(f"{at} ({form})" for at, form in enumerate(FORMATS))
        raise StreamError("a save image of an unknown format", file=name, offset=28, expected=known, found=str(number))
    if size > LARGEST_DATA:
        raise StreamError(
            "the XML of the save image is too long",
            file=name,
            offset=20,
            expected=f"at most {LARGEST_DATA} bytes",
            found=str(size),
        )
    if HEADER_SIZE + size > len(data):
        raise StreamError(
            "the save image ends inside its XML",
            file=name,
            offset=len(data),
            expected=f"{HEADER_SIZE + size} bytes",
            found=str(len(data)),
        )
    if cookie_at > size:
        raise StreamError(
            "the cookie stands outside the save image's data",
            file=name,
            offset=32,
            expected=f"at most {size}",
            found=str(cookie_at),
        )
    head = bytes(data[: HEADER_SIZE + size])
    xml_end = HEADER_SIZE + (cookie_at or size)
    return LibvirtImage(
        file=name,
        head=head,
        is_whole=magic == MAGIC,
        is_big_endian=order == ">",
        version=version,
        was_running=bool(was_running),
        form=FORMATS[number],
        xml=head[HEADER_SIZE:xml_end].partition(b"\0")[0],
        cookie=head[xml_end:].partition(b"\0")[0] if cookie_at else b"",
    )


# What the XML says.


def _parsed(text: bytes) -> Any:
    """The root element of an XML text; None where it is none, or has definitions, which libvirt never writes."""
    from xml.etree import ElementTree

    if b"<!" in text.replace(b"<!--", b""):
        return None
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError):
        return None


def domain_facts(xml: bytes) -> dict[str, Any]:
    """Name, UUID, machine type, memory in bytes, processors, devices and memory modules of a domain's XML."""
    root = _parsed(xml)
    if root is None:
        return {"domain": None}
    kind = root.find("os/type")
    listed_devices = root.find("devices")
    # The program that ran the machine is none of its devices.
    elements = [] if listed_devices is None else [element for element in listed_devices if element.tag != "emulator"]
    return {
        "domain": root.findtext("name"),
        "uuid": root.findtext("uuid"),
        "machine": None if kind is None else kind.get("machine"),
        "arch": None if kind is None else kind.get("arch"),
        "memory": _bytes_of(root.find("memory")),
        "vcpus": _number(root.findtext("vcpu")),
        "devices": [_device(element) for element in elements],
        "emulator": root.findtext("devices/emulator"),
        "disks": [_disk(element) for element in elements if element.tag == "disk"],
        "modules": _modules(root),
    }


def domain_cpu(xml: bytes) -> str | None:
    """The processor of a domain's XML as -cpu has it; None where it names no model, or not in plain words."""
    root = _parsed(xml)
    cpu = None if root is None else root.find("cpu")
    if cpu is None or cpu.get("mode", "custom") != "custom":
        return None
    words = [(cpu.findtext("model") or "").strip()]
    for feature in cpu.findall("feature"):
        state = "off" if feature.get("policy") in ("disable", "forbid") else "on"
        words.append(f"{feature.get('name')}={state}")
    return ",".join(words) if all(re.fullmatch(r"[\w.=-]+", word) for word in words) else None


def _device(element: Any) -> str:
    model = element.find("model")
    target = element.find("target")
    words = [element.tag, element.get("device"), element.get("model"), element.get("type")]
    words.append(None if model is None else model.get("type") or model.get("name"))
    words.append(None if target is None else target.get("dev") or target.get("bus"))
    mac = element.find("mac")
    words.append(None if mac is None else mac.get("address"))
    if element.tag == "disk":
        words.append(_disk(element)["source"])
    return " ".join(word for word in words if word)


def _disk(element: Any) -> dict[str, Any]:
    """A disk: what the guest has it as, and the file, volume or other place that it is kept in."""
    source, target, driver = (element.find(name) for name in ("source", "target", "driver"))
    places = ("file", "dev", "dir", "volume", "name")
    return {
        "device": element.get("device", "disk"),
        "target": None if target is None else target.get("dev"),
        "bus": None if target is None else target.get("bus"),
        "format": None if driver is None else driver.get("type"),
        "source": None if source is None else next((source.get(each) for each in places if source.get(each)), None),
    }


_UNITS = {"b": 1, "bytes": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 1000, "m": 1 << 20, "mib": 1 << 20, "mb": 10**6}
_UNITS |= {"g": 1 << 30, "gib": 1 << 30, "gb": 10**9, "t": 1 << 40, "tib": 1 << 40, "tb": 10**12}


def _bytes_of(element: Any) -> int | None:
    number = None if element is None else _number(element.text)
    return None if number is None else number * _UNITS.get(element.get("unit", "KiB").lower(), 1 << 10)


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    if not text.isascii() or len(text) > 20:
        return None
    try:
        return int(text, 0)
    except ValueError:
        return None


def _modules(root: Any) -> list[dict[str, Any]]:
    """The memory modules: alias, size in bytes, guest physical address (None where it is not told)."""
    listed = []
    for element in root.iterfind("devices/memory"):
        alias, address = element.find("alias"), element.find("target/address")
        if address is None:
            address = element.find("address")
        listed.append(
            {
                "model": element.get("model"),
                "alias": None if alias is None else alias.get("name"),
                "size": _bytes_of(element.find("target/size")),
                "address": None if address is None else _number(address.get("base")),
            }
        )
    return listed


def cookie_facts(cookie: bytes) -> dict[str, Any] | None:
    """The CPU model in the cookie, and how many of its features it names."""
    root = _parsed(cookie) if cookie else None
    if root is None:
        return None
    cpu = root.find("cpu")
    if cpu is None:
        return {"cpu": None, "features": 0}
    return {"cpu": cpu.findtext("model"), "features": len(cpu.findall("feature"))}

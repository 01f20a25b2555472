"""The domains of a libvirt: what their XML says, asked by virsh. No guest notices anything."""

from __future__ import annotations

import re
import subprocess
from typing import Any
from xml.etree import ElementTree

from vmstate.errors import MachineError, VMStateError

LIMIT = 30.0
"""Seconds that an answer may take."""

MOST = 16 << 20
"""Bytes of an answer at most."""

_RELEASE = re.compile(r"[-_](\d{1,3}\.\d{1,3})\Z")


def domains_at(uri: str) -> list[str]:
    """URI#NAME of each domain of a libvirt. Raises `MachineError`."""
    names = [line for line in _virsh(uri, "list", "--all", "--name").splitlines() if line.strip()]
    return [f"{uri}#{name}" for name in names]


def row_of_domain(place: str, row: dict[str, Any]) -> dict[str, Any]:
    """The row of a domain: machine type, the release in its name, and its devices as libvirt calls them."""
    uri, _, name = place.rpartition("#")
    try:
        # A name that begins with a dash is no option.
        row |= _facts_of(_virsh(uri, "dumpxml", "--domain", name))
    except VMStateError as error:
        row["error"] = str(error)
    return row


def _facts_of(text: str) -> dict[str, Any]:
    try:
        top = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise MachineError(f"what virsh says of the domain is no XML: {error}") from None
    kind = top.find("os/type")
    machine = None if kind is None else kind.get("machine")
    version = None if machine is None else _RELEASE.search(machine)
    devices = [_device(element) for element in top.iterfind("devices/*") if element.tag != "emulator"]
    return {
        "machine": machine,
        "release": None if version is None else version[1],
        "devices": list(dict.fromkeys(devices)),
    }


def _device(element: ElementTree.Element) -> str:
    """What libvirt calls a device: its tag, and the model, bus or type that it gives."""
    model, target = element.find("model"), element.find("target")
    told = [element.get("model")]
    told += [] if model is None else [model.get("type"), model.get("name")]
    told += [] if target is None else [target.get("bus")]
    name = next((text for text in (*told, element.get("bus"), element.get("type")) if text), None)
    return element.tag if name is None else f"{element.tag} {name}"


def _virsh(uri: str, *words: str) -> str:
    try:
        done = subprocess.run(
            ["virsh", "--connect", uri, "--quiet", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
    except FileNotFoundError:
        raise MachineError("libvirt is asked by virsh: install libvirt-clients", file=uri) from None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"virsh does not answer: {error}", file=uri) from None
    if done.returncode or len(done.stdout) > MOST:
        said = " ".join(done.stderr.decode(errors="replace").split())[:200]
        raise MachineError(f"libvirt does not answer: {said or f'exit code {done.returncode}'}", file=uri)
    return done.stdout.decode(errors="replace")

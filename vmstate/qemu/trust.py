"""A command line that came with a file: which program it may start, and what on this host it would touch.

A stream's provenance says how its machine was started. Whoever is given the stream has not written that. So the
program is looked for by its name alone, on the user's PATH, and only if the name is one of QEMU's; and before anything
is started the user sees what the rest would run, connect to and open.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vmstate.errors import MachineError

_PROGRAM = re.compile(r"qemu-system-[a-z0-9_]+|qemu-kvm|qemu|kvm")

_RUNS = re.compile(r"(?:^|[=,:|-])(?:exec|cmd):|\|")
_RUNS_BY_KEY = frozenset(("script", "downscript", "helper", "smb", "sftp-server"))
_RUNS_BY_OPTION = frozenset(("plugin", "set-script", "run-with"))
_CONNECTS = re.compile(r"(?:^|[=,])(?:tcp|udp|unix|telnet|websocket|vnc|spice|ssh|http|https|ftp|nbd|iscsi|rdma|fd):")
_CONNECTS_BY_KEY = frozenset(("hostfwd", "guestfwd", "connect", "listen", "mcast", "host", "ifname", "br", "server"))
_CONNECTS_BY_OPTION = frozenset(("s", "gdb", "vnc", "spice", "monitor", "qmp", "qmp-pretty", "mon"))
_OPENS_BY_OPTION = frozenset(
    (
        "hda",
        "hdb",
        "hdc",
        "hdd",
        "fda",
        "fdb",
        "cdrom",
        "sd",
        "mtdblock",
        "pflash",
        "kernel",
        "initrd",
        "dtb",
        "bios",
        "option-rom",
        "L",
        "loadvm",
        "readconfig",
        "writeconfig",
        "D",
        "pidfile",
        "chroot",
        "acpitable",
        "virtfs",
        "fsdev",
        "fw_cfg",
        "mem-path",
    )
)
_OPENS_BY_KEY = frozenset(
    (
        "file",
        "filename",
        "path",
        "mem-path",
        "dir",
        "romfile",
        "logfile",
        "tofile",
        "vhostdev",
        "sysfsdev",
        "hostdev",
        "evdev",
        "fname",
        "rootdir",
    )
)
_NETWORKS = frozenset(("tap", "bridge", "socket"))
_FILES = frozenset(("file", "pipe", "serial"))


def program_of(argv: Sequence[str]) -> str:
    """The name of the program of a command line that came with a file, without its folder. Raises `MachineError`."""
    name = os.path.basename(argv[0]) if argv else ""
    if not _PROGRAM.fullmatch(name):
        raise MachineError(
            "the recorded command line starts no QEMU by its name: name the program to start",
            expected="qemu-system-...",
            found=repr(argv[0])[:80] if argv else "nothing",
        )
    return name


def touched(argv: Sequence[str], known: Mapping[str, Any]) -> list[str]:
    """What a recorded command line touches on this host, in a line each: what it runs, connects to and opens."""
    found: dict[str, list[str]] = {"runs": [], "connects": [], "opens": []}
    option = ""
    for word in argv[1:]:
        if word.startswith("-") and len(word) > 1:
            option = word.lstrip("-")
            for kind, options in (("runs", _RUNS_BY_OPTION), ("connects", _CONNECTS_BY_OPTION)):
                if option in options:
                    found[kind].append(word)
            continue
        for kind in _kinds(option, word):
            found[kind].append(f"-{option} {word}" if option else word)
    found["opens"] += [f"guest memory {entry['file']}" for entry in known.get("memory") or ()]
    lines = [f"{kind}: {text}" for kind, texts in found.items() for text in dict.fromkeys(texts)]
    if known.get("folder"):
        lines.append(f"in the folder {known['folder']}")
    return lines


def _kinds(option: str, word: str) -> Iterator[str]:
    """What a word behind an option does on the host."""
    first = word.partition(",")[0]
    keys = {key: value for key, equals, value in (part.partition("=") for part in word.split(",")) if equals}
    if _RUNS.search(word) or any(value not in ("", "no") for key, value in keys.items() if key in _RUNS_BY_KEY):
        yield "runs"
    if _CONNECTS.search(word) or keys.keys() & _CONNECTS_BY_KEY or first in _NETWORKS:
        yield "connects"
    opens = option in _OPENS_BY_OPTION or bool(keys.keys() & _OPENS_BY_KEY) or first.partition(":")[0] in _FILES
    if opens or "/" in word:
        yield "opens"

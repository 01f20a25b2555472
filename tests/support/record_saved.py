"""Records the files of fixtures/saved with real QEMUs: small machines that never ran, kept in every way there is.

    VMSTATE_QEMU_ROOTS=ROOT:ROOT python tests/support/record_saved.py [NAME...]

A root is the folder of another system with a QEMU in it. Beside the files stands saved.json: how each was made, and as
the truth the sum (CRC-32) of each page of memory that `pmemsave` gave of the same stopped machine.
"""

from __future__ import annotations

import atexit
import json
import lzma
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vmstate.saved import open_input
from vmstate.saved.colo import checkpoints_of

ROOT = Path(__file__).resolve().parents[2]
SAVED = ROOT / "fixtures" / "saved"
ROOTS = {Path(path).name: path for path in os.environ.get("VMSTATE_QEMU_ROOTS", "").split(":") if path}
MEMORY = 8 << 20
MULTIFD = {
    # name: (release, compression)
    "multifd-7.2": ("7.2", "none"),
    "multifd-zlib-7.2": ("7.2", "zlib"),
    "multifd-zstd-10.0": ("10.0", "zstd"),
}
COLO = {"colo-11.1": "11.1"}
POSTCOPY = {
    # name: (release, capabilities beside postcopy-ram, whether the connection breaks and is made again)
    "postcopy-preempt-7.2": ("7.2", ("postcopy-preempt",), False),
    "postcopy-recovery-7.2": ("7.2", (), True),
}
SHARED = {"ignore-shared-7.2": "7.2"}
CPR = {"cpr-11.1": "11.1"}
BACKGROUND = {"background-snapshot-7.2": "7.2"}
PAGE = 4096
TAG_AT = 0x100000

IMAGES = {
    # name: (release, options of qemu-img create, size of the disk, snapshots)
    "savevm-7.2": ("7.2", [], "1M", ("one", "two")),
    "savevm-7.2-v2": ("7.2", ["-o", "compat=0.10"], "1M", ("a",)),
    "savevm-10.0-c512": ("10.0", ["-o", "cluster_size=512"], "1049088", ("a",)),
    "savevm-10.0-c2M": ("10.0", ["-o", "cluster_size=2M"], "1M", ("a",)),
    "savevm-11.1-extl2": ("11.1", ["-o", "extended_l2=on,compression_type=zstd"], "1M", ("a",)),
}
FILES = {
    # name: (release, what is put behind "file:NAME", capabilities)
    "mapped-10.0": ("10.0", "", ("mapped-ram",)),
    "mapped-offset-11.1": ("11.1", ",offset=0x12345", ("mapped-ram",)),
    "offset-10.0": ("10.0", ",offset=4096", ()),
}


def program(release: str, name: str) -> list[str]:
    """The words that start a program of a release."""
    root = ROOTS.get(release)
    if root is None:
        assert shutil.which(name), f"there is no {name} {release}"
        return [name]
    loader = [f"{root}/lib64/ld-linux-x86-64.so.2", "--library-path"]
    libraries = f"{root}/usr/lib/x86_64-linux-gnu:{root}/lib/x86_64-linux-gnu"
    found = [*loader, libraries, f"{root}/usr/bin/{name}"]
    return found if name == "qemu-img" else [*found, "-L", f"{root}/usr/share/qemu", "-L", f"{root}/usr/share/seabios"]


def tagged(folder: Path) -> Path:
    """A file with pages that are all different, for a loader to put into memory."""
    pages = (b"page %4d " % number for number in range(16))
    tag = folder / "tag.bin"
    tag.write_bytes(b"".join(text * 9 + bytes(PAGE - 9 * len(text)) for text in pages))
    return tag


def run(release: str, folder: Path, words: list[str], lines: list[str]) -> str:
    """Start a machine that does not run, give its monitor the lines, and end it."""
    command = [*program(release, "qemu-system-x86_64"), "-M", "microvm", "-m", "8", "-nodefaults", "-display", "none"]
    command += ["-accel", "tcg,tb-size=16", "-monitor", "stdio", "-S", *words]
    command += ["-device", f"loader,file={tagged(folder)},addr={TAG_AT:#x},force-raw=on"]
    text = "".join(f"{line}\n" for line in [*lines, "quit"])
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=folder, timeout=120, check=False)
    assert done.returncode == 0 and "Error" not in done.stdout, done.stdout + done.stderr
    return done.stdout


def sums(file: Path) -> list[int]:
    """The sum of each page."""
    data = file.read_bytes()
    return [zlib.crc32(data[at : at + PAGE]) for at in range(0, len(data), PAGE)]


def record_channels(name: str, release: str, compression: str) -> dict[str, Any]:
    """A migration into sockets at which nobody but this program listens, channel by channel."""
    with tempfile.TemporaryDirectory() as text, socket.socket(socket.AF_UNIX) as listening:
        folder = Path(text)
        listening.bind(str(folder / "in"))
        listening.listen(8)
        channels: list[bytes] = []
        readers: list[threading.Thread] = []

        def read_all(connection: socket.socket) -> None:
            data = bytearray()
            while piece := connection.recv(1 << 20):
                data += piece
            channels.append(bytes(data))

        def accept() -> None:
            while len(readers) < 3:
                connection = listening.accept()[0]
                readers.append(threading.Thread(target=read_all, args=(connection,)))
                readers[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        lines = ["migrate_set_capability multifd on", "migrate_set_parameter multifd-channels 2"]
        lines += [f"migrate_set_parameter multifd-compression {compression}", "migrate unix:in"]
        run(release, folder, [], [*lines, f'pmemsave 0 {MEMORY:#x} "truth"'])
        for thread in (accepting, *readers):
            thread.join(20)
        # The main one first.
        channels.sort(key=lambda data: (not data.startswith(b"QEVM"), data[24]))
        for number, data in enumerate(channels):
            (SAVED / f"{name}.ch{number}.xz").write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
        return {**described(release, "; ".join(lines), folder), "channels": len(channels)}


def keep(name: str, data: bytes) -> None:
    """Store a file, compressed."""
    (SAVED / f"{name}.xz").write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))


def machine(release: str, folder: Path, *words: str) -> list[str]:
    """The command of a machine that waits, with its monitor at its standard input."""
    command = [*program(release, "qemu-system-x86_64"), "-M", "microvm", "-m", "8", "-nodefaults", "-display", "none"]
    command += ["-accel", "tcg,tb-size=16", "-monitor", "stdio", "-S", *words]
    return [*command, "-device", f"loader,file={tagged(folder)},addr={TAG_AT:#x},force-raw=on"]


def started(command: list[str], folder: Path) -> subprocess.Popen[str]:
    """A program that is told lines."""
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    # Where something fails none is left.
    atexit.register(process.kill)
    return process


def tell(process: subprocess.Popen[str], *lines: str) -> None:
    """Give a monitor lines, one after the other."""
    assert process.stdin is not None
    for line in lines:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        time.sleep(0.2)


def recorder(folder: Path, number: int) -> subprocess.Popen[str]:
    """`vmstate capture --channels`, from unix:between to unix:in of that number."""
    command = [sys.executable, "-m", "vmstate", "capture", "--channels", f"kept{number}"]
    process = started([*command, "--listen", f"unix:between{number}", "--to", f"unix:in{number}"], folder)
    time.sleep(1)
    return process


def record_postcopy(name: str, release: str, capabilities: tuple[str, ...], breaks: bool) -> dict[str, Any]:
    """Postcopy of a machine whose destination looks at pages of its memory before they have come."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        source, target = (started(machine(release, folder, *words), folder) for words in ([], ["-incoming", "defer"]))
        recorders = [recorder(folder, 0)]
        on = [f"migrate_set_capability {capability} on" for capability in ("postcopy-ram", *capabilities)]
        slow = ["migrate_set_parameter max-bandwidth 20k", "migrate_set_parameter max-postcopy-bandwidth 20k"]
        lines = [*on, *slow, "migrate -d unix:between0", "migrate_start_postcopy"]
        tell(target, *on, "migrate_incoming unix:in0")
        tell(source, f'pmemsave 0 {MEMORY:#x} "truth"', *lines)
        # The last of the tagged pages and one that is empty: neither would come so soon.
        tell(target, "xp /1xb 0x10f000", "xp /1xb 0x700000")
        if breaks:
            time.sleep(1)
            recorders[0].terminate()
            recorders[0].wait(20)
            recorders.append(recorder(folder, 1))
            lines += ["(the connection breaks)", "migrate -d -r unix:between1"]
            tell(target, "migrate_recover unix:in1")
            tell(source, lines[-1])
        tell(source, "migrate_set_parameter max-postcopy-bandwidth 100M")
        recorders[-1].wait(60)
        for process in (source, target):
            tell(process, "quit")
            process.wait(20)
        channels = [file for number in range(len(recorders)) for file in sorted((folder / f"kept{number}").iterdir())]
        channels = [file for file in channels if file.name.endswith("src2dst")]
        for number, file in enumerate(channels):
            keep(f"{name}.ch{number}", file.read_bytes())
        return {**described(release, "; ".join(lines), folder), "channels": len(channels)}


def record_shared(name: str, release: str) -> dict[str, Any]:
    """A stream without the machine's memory, and the file which has that."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        words = [
            "-M",
            "memory-backend=mem",
            "-object",
            f"memory-backend-file,id=mem,size={MEMORY},mem-path=ram,share=on",
        ]
        lines = ["migrate_set_capability x-ignore-shared on", f'migrate "exec:cat > {name}"']
        run(release, folder, words, [*lines, f'pmemsave 0 {MEMORY:#x} "truth"'])
        keep(f"{name}.file", (folder / name).read_bytes())
        keep(f"{name}.shared-ram", (folder / "ram").read_bytes())
        return {**described(release, "; ".join([" ".join(words), *lines]), folder), "shared": "mem"}


COUNTING = bytes.fromhex("bb0010 8edb ff060000 81c30001 81fb0070 72f0 ebeb")
"""Real mode, for ever: add one to the first word of each page from 0x10000 to 0x6ffff."""


def record_background(name: str, release: str) -> dict[str, Any]:
    """A snapshot of a machine that goes on: it counts in its pages while they are kept as they were."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        # Reset begins 16 bytes before the end, with a jump to the first byte.
        (folder / "counting.bin").write_bytes(COUNTING.ljust(0xFFF0, b"\0") + b"\xe9\x0d\0".ljust(16, b"\0"))
        lines = ["migrate_set_capability background-snapshot on", "migrate_set_parameter max-bandwidth 100k"]
        lines.append(f'migrate -d "exec:cat > {name}"')
        process = started(machine(release, folder, "-bios", "counting.bin"), folder)
        tell(process, "cont", "stop", f'pmemsave 0 {MEMORY:#x} "truth"', *lines)
        time.sleep(6)
        tell(process, "stop", f'pmemsave 0 {MEMORY:#x} "later"', "quit")
        process.wait(20)
        keep(f"{name}.file", (folder / name).read_bytes())
        before, after = sums(folder / "truth"), sums(folder / "later")
        changed = sum(page != later for page, later in zip(before, after, strict=True))
        known = described(release, "; ".join(lines), folder)
        return {**known, "machine": "microvm, 8 MiB, whose firmware counts in memory", "changed": changed}


def record_cpr(name: str, release: str) -> dict[str, Any]:
    """What a machine gives to the QEMU that takes its place, with the descriptors beside it told by their sizes."""
    with tempfile.TemporaryDirectory() as text, socket.socket(socket.AF_UNIX) as listening:
        folder = Path(text)
        listening.bind(str(folder / "cpr"))
        listening.listen(1)
        listening.settimeout(20)
        memory = ["-object", f"memory-backend-memfd,id=mem,size={MEMORY},share=on"]
        command = machine(release, folder, "-M", "memory-backend=mem,aux-ram-share=on", *memory)
        command[command.index("-monitor") + 1] = "none"
        process = started([*command, "-qmp", "stdio"], folder)
        channels = [
            {"channel-type": kind, "addr": {"transport": "socket", "type": "unix", "path": path}}
            for kind, path in (("main", "main"), ("cpr", "cpr"))
        ]
        commands = [
            {"execute": "qmp_capabilities"},
            {"execute": "migrate-set-parameters", "arguments": {"mode": "cpr-transfer"}},
            {"execute": "migrate", "arguments": {"channels": channels}},
        ]
        tell(process, *map(json.dumps, commands))
        connection = listening.accept()[0]
        data, sizes = bytearray(), []
        with connection:
            while True:
                piece, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 64)
                data += piece
                for descriptor in descriptors:
                    sizes.append(os.fstat(descriptor).st_size)
                    os.close(descriptor)
                if not piece:
                    break
        process.kill()
        process.wait(20)
        keep(f"{name}.file", bytes(data))
        return {
            "qemu": release,
            "machine": "microvm, 8 MiB, stopped before its first instruction",
            "how": "; ".join([" ".join(memory), *map(json.dumps, commands)]),
            "sizes": sizes,
        }


def record_colo(name: str, release: str) -> dict[str, Any]:
    """COLO between two machines that run their firmware, kept by `vmstate capture --channels`."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        words = [*program(release, "qemu-system-x86_64"), "-M", "microvm", "-m", "8", "-nodefaults", "-display", "none"]
        words += ["-accel", "tcg,tb-size=16", "-monitor", "stdio", "-S"]
        words += ["-device", f"loader,file={tagged(folder)},addr={TAG_AT:#x},force-raw=on"]
        between = [sys.executable, "-m", "vmstate", "capture", "--channels", "kept"]
        between += ["--listen", "unix:between", "--to", "unix:in"]
        how = {"cwd": folder, "stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
        target, source, proxy = (
            subprocess.Popen(command, **how)  # type: ignore[call-overload]
            for command in ([*words, "-incoming", "defer"], words, between)
        )
        capabilities = ["migrate_set_capability return-path on", "migrate_set_capability x-colo on"]
        lines = [*capabilities, "migrate_set_parameter x-checkpoint-delay 700", "cont", "migrate -d unix:between"]
        for process, said in (
            (target, [*capabilities, "migrate_incoming unix:in"]),
            (source, lines),
            (source, [f'pmemsave 0 {MEMORY:#x} "truth"', "quit"]),
            (target, ["quit"]),
        ):
            if said[-1] == "quit":
                time.sleep(4 if process is source else 0)
            for line in said:
                process.stdin.write(f"{line}\n")
                process.stdin.flush()
                time.sleep(0.3)
        for process in (source, target, proxy):
            process.wait(20)
        data = (folder / "kept" / "ch0.src2dst").read_bytes()
        (SAVED / f"{name}.ch0.xz").write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
        (folder / "main").write_bytes(data)
        with open_input(folder / "main") as opened:
            count, _ = checkpoints_of(opened)
        known = described(release, "; ".join(lines), folder)
        return {**known, "machine": "microvm, 8 MiB, its firmware alone", "checkpoints": count}


def described(release: str, how: str, folder: Path) -> dict[str, Any]:
    """What is known of a recording, with the truth about its memory."""
    pages, empty = sums(folder / "truth"), zlib.crc32(bytes(PAGE))
    return {
        "qemu": release,
        "machine": "microvm, 8 MiB, stopped before its first instruction",
        "how": how,
        "pages": len(pages),
        "sums": {str(number): page for number, page in enumerate(pages) if page != empty},
    }


def image_tool(release: str) -> list[str]:
    """qemu-img of a release, or of the newest there is."""
    return program(release if release in ROOTS else max(ROOTS), "qemu-img")


def main() -> None:
    """Record what is named, or everything."""
    SAVED.mkdir(exist_ok=True)
    listed = SAVED / "saved.json"
    known = json.loads(listed.read_text()) if listed.exists() else {}
    for name in [name for name in MULTIFD if name in sys.argv[1:] or not sys.argv[1:]]:
        known[name] = record_channels(name, *MULTIFD[name])
    for name in [name for name in COLO if name in sys.argv[1:] or not sys.argv[1:]]:
        known[name] = record_colo(name, COLO[name])
    recorders: tuple[tuple[dict[str, Any], Callable[..., dict[str, Any]]], ...] = (
        (POSTCOPY, record_postcopy),
        (SHARED, record_shared),
        (BACKGROUND, record_background),
        (CPR, record_cpr),
    )
    for wanted, record in recorders:
        for name in [name for name in wanted if name in sys.argv[1:] or not sys.argv[1:]]:
            known[name] = record(name, *(wanted[name] if isinstance(wanted[name], tuple) else (wanted[name],)))
    for name in [name for name in (*IMAGES, *FILES) if name in sys.argv[1:] or not sys.argv[1:]]:
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text)
            if name in IMAGES:
                release, options, size, snapshots = IMAGES[name]
                file = folder / f"{name}.qcow2"
                create = [*image_tool(release), "create", "-f", "qcow2", *options, str(file), size]
                subprocess.run(create, check=True, capture_output=True)
                lines = [f"savevm {snapshot}" for snapshot in snapshots]
                words = ["-drive", f"file={file.name},if=none,id=d0"]
                how = f"qemu-img create {' '.join(options)} {size}; {'; '.join(lines)}"
            else:
                release, behind, capabilities = FILES[name]
                file = folder / f"{name}.file"
                lines = [f"migrate_set_capability {capability} on" for capability in capabilities]
                lines.append(f"migrate file:{file.name}{behind}")
                words, how = [], "; ".join(lines)
            run(release, folder, words, [*lines, f'pmemsave 0 {MEMORY:#x} "truth"'])
            data = file.read_bytes()
            stored = SAVED / f"{file.name}.xz"
            stored.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
            known[stored.name] = {**described(release, how, folder), "size": len(data)}
            print(f"{stored.name}: {len(data)} bytes, {stored.stat().st_size} stored")
    listed.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()

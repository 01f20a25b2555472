"""The one configuration under which a tree is read: what is built in, and for which target.

A `CONFIG_X` that is not in `OFF` counts as set: a description behind it is of interest, whoever builds it. What is
in `OFF` is of other hosts, of user emulation, or for debugging. What a target defines comes from the tree's own
configs/targets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from vmstate.errors import VMStateError
from vmstate.source.tree import Tree
from vmstate.vmsd.data import Data

OFF = frozenset(
    """
    CONFIG_USER_ONLY CONFIG_LINUX_USER CONFIG_BSD_USER CONFIG_WIN32 CONFIG_DARWIN CONFIG_BSD CONFIG_SOLARIS CONFIG_HAIKU
    CONFIG_HVF CONFIG_HVF_PRIVATE CONFIG_WHPX CONFIG_NVMM CONFIG_HAX CONFIG_MSHV CONFIG_COCOA CONFIG_TCG_INTERPRETER
    CONFIG_DEBUG_TCG CONFIG_DEBUG_MUTEX CONFIG_DEBUG_GRAPH_LOCK CONFIG_DEBUG_STACK_USAGE CONFIG_DEBUG_REMAP CONFIG_GCOV
    CONFIG_TSAN CONFIG_FUZZ CONFIG_IOTEST CONFIG_XEN_CTRL_INTERFACE_VERSION CONFIG_EMSCRIPTEN CONFIG_POSIX_NOT
    CONFIG_VALGRIND_H CONFIG_INT128_TYPE_NOT CONFIG_USB_LIBUSB_NOT CONFIG_FREEBSD CONFIG_NETBSD CONFIG_OPENBSD
    CONFIG_WASM64_32BIT_ADDRESS_LIMIT CONFIG_NEED_OFFSETOF CONFIG_HAVE_RUST
    """.split()  # noqa: SIM905 (a list of as many strings is harder to read)
)
"""Options that count as not set."""

HAVE_RUST = "CONFIG_HAVE_RUST"
"""Whether devices that are written in Rust and in C are taken from Rust: distributions have mostly built without."""

DEFINED = {
    "__linux__": "1",
    "__x86_64__": "1",
    "__LP64__": "1",
    "__GNUC__": "12",
    "__GNUC_MINOR__": "2",
    "__SIZEOF_INT128__": "16",
    "__SIZEOF_POINTER__": "8",
    "HOST_LONG_BITS": "64",
    "HOST_X86_64": "1",
    "HOST_BIG_ENDIAN": "0",
    "NEED_CPU_H": "1",
    "COMPILING_PER_TARGET": "1",
    "true": "1",
    "false": "0",
    "__BYTE_ORDER__": "1234",
    "__ORDER_LITTLE_ENDIAN__": "1234",
    "__ORDER_BIG_ENDIAN__": "4321",
    "UINT8_MAX": "255",
    "UINT16_MAX": "65535",
    "UINT32_MAX": "4294967295U",
    "INT32_MAX": "2147483647",
    "INT_MAX": "2147483647",
    "UINT64_MAX": "18446744073709551615UL",
    "INT64_MAX": "9223372036854775807L",
    "CHAR_BIT": "8",
    "PATH_MAX": "4096",
    "IFNAMSIZ": "16",
    "NULL": "0",
}
"""What a compiler for 64-bit Linux and its libraries define."""

NOT_DEFINED = frozenset("HOST_BIG_ENDIAN __cplusplus _WIN32 __APPLE__ __FreeBSD__ __NetBSD__ __OpenBSD__".split())  # noqa: SIM905


class Target(Data):
    """A target: its name as in qemu-system-NAME, the folder of its CPU, and what is defined for it."""

    name: str
    base: str
    defines: Mapping[str, str | None]
    """Name -> text; None: certainly not defined."""


WIDE = {"i386": "x86_64", "arm": "aarch64", "ppc": "ppc64", "mips": "mips64", "sparc": "sparc64", "riscv": "riscv64",
        "s390x": "s390x", "alpha": "alpha"}  # fmt: skip
"""Folder of a CPU of 64 bits -> its widest target."""

CPU_FOLDER = re.compile(r"target[/-](\w+)/")


def targets_of(tree: Tree, options: Mapping[str, bool]) -> dict[str, Target]:
    """The system targets of a tree, by name. `options` are the CONFIG_X that the user has set or unset."""
    made = {}
    for path in sorted(tree.blobs):
        name = re.fullmatch(r"(?:default-)?configs/targets/(\w+)-softmmu\.mak", path)
        if name is None:
            continue
        values = dict(re.findall(r"^(\w+)[ \t]*=[ \t]*(.*?)[ \t]*$", tree.read(path).decode("utf-8", "replace"), re.M))
        made[name[1]] = _target(name[1], values, options)
    if not made:
        # Before 5.2 they stood elsewhere; a tree of snippets has none.
        for base in sorted({"i386", "arm", "ppc", *cpu_folders(tree)}):
            arch = WIDE.get(base, base)
            values = {"TARGET_ARCH": arch, "TARGET_BASE_ARCH": base, "TARGET_LONG_BITS": "64" if base in WIDE else "32"}
            made[arch] = _target(arch, values, options)
    return made


def cpu_folders(tree: Tree) -> set[str]:
    """The CPUs that a tree has a folder of: target/X, and target-X until 2016."""
    return {folder[1] for path in tree.blobs if (folder := CPU_FOLDER.match(path)) is not None}


def _target(name: str, values: Mapping[str, str], options: Mapping[str, bool]) -> Target:
    arch = values.get("TARGET_ARCH", name)
    base = values.get("TARGET_BASE_ARCH", arch)
    defines: dict[str, str | None] = dict(DEFINED)
    for gone in NOT_DEFINED:
        defines[gone] = None
    defines[f"TARGET_{arch.upper()}"] = "1"
    defines[f"TARGET_{base.upper()}"] = "1"
    for key, value in values.items():
        if key.startswith("TARGET_") and (value == "y" or value.isdigit()):
            defines[key] = "1" if value == "y" else value
    if "TARGET_LONG_BITS" in defines:
        bits = str(defines["TARGET_LONG_BITS"])
        defines["TARGET_LONG_SIZE"] = str(int(bits) // 8)
    if base != "i386":
        # The host is one of x86: KVM is built for its own kind alone.
        defines["CONFIG_KVM"] = None
    for key, is_set in options.items():
        defines[key] = "1" if is_set else None
    return Target(name, base, defines)


def default_of(targets: Mapping[str, Target], base: str) -> Target | None:
    """The target that stands for all with the same CPU folder: of 64 bits, little-endian, where there is one."""
    alike = [target for target in targets.values() if target.base == base]

    def rank(target: Target) -> tuple[int, int, int, str]:
        bits = str(target.defines.get("TARGET_LONG_BITS") or 0)
        wide = int(bits) if bits.isdigit() else 0
        wide = max(wide, 64 if "64" in target.name else 32)
        return (-wide, len(target.name), int("TARGET_BIG_ENDIAN" in target.defines), target.name)

    return min(alike, key=rank) if alike else None


def read_options(words: list[str]) -> dict[str, bool]:
    """What `-D CONFIG_X=y` and `-D CONFIG_X=n` say. Raises `VMStateError`."""
    options = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not re.fullmatch(r"CONFIG_\w+", name) or (equals and value not in ("y", "n", "1", "0")):
            raise VMStateError("no option of a configuration", expected="CONFIG_X, CONFIG_X=y or =n", found=word[:60])
        options[name] = value not in ("n", "0")
    return options

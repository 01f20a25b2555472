"""drgn on anything that `vmstate.load` opens: a Program over the memory of a saved Linux guest.

    vmstate-drgn guest.save [SCRIPT [ARGUMENT...]]

is drgn's prompt, or a script that finds the program in `prog`; in Python

    >>> from vmstate.forensics.drgn_program import program_of
    >>> program = program_of("guest.save")
    >>> program["init_uts_ns"]

The kernel's own description (VMCOREINFO) is looked for in memory, at the beginning of a page; drgn then finds its way
through the guest's page tables. Symbols and types are loaded as for any kernel.
"""

from __future__ import annotations

import drgn

from vmstate.errors import VMStateError
from vmstate.forensics import opened_memory
from vmstate.saved.ram_out import architecture_of
from vmstate.stream.memory import GuestMemory

BEGIN = b"OSRELEASE="

_LITTLE, _WIDE = drgn.PlatformFlags.IS_LITTLE_ENDIAN, drgn.PlatformFlags.IS_64_BIT
PLATFORMS = {
    "x86": drgn.Platform(drgn.Architecture.X86_64),
    "aarch64": drgn.Platform(drgn.Architecture.AARCH64, _LITTLE | _WIDE),
    "s390x": drgn.Platform(drgn.Architecture.S390X, _WIDE),
    "ppc64": drgn.Platform(drgn.Architecture.PPC64, _LITTLE | _WIDE),
    "riscv": drgn.Platform(drgn.Architecture.RISCV64, _LITTLE | _WIDE),
}
"""Of Linux guests of 64 bits, by what `vmstate` calls the machine."""


def vmcoreinfo_of(memory: GuestMemory) -> bytes:
    """The kernel's VMCOREINFO. Raises `VMStateError` where there is none."""
    for address, page in memory.pages():
        if page.startswith(BEGIN):
            text = page
            while b"\0" not in text and len(text) < 1 << 16:
                text += memory.read(address + len(text), memory.page_size)
            return text.partition(b"\0")[0]
    raise VMStateError("no VMCOREINFO in memory", expected="a Linux guest that is up")


def program_of(file: str) -> drgn.Program:
    """A Program over a saved Linux guest; the file stays open as long as it is in use. Raises `VMStateError`."""
    stream, memory = opened_memory(file)

    def read(address: int, count: int, offset: int, physical: bool) -> bytes:
        try:
            return memory.read(address, count)
        except VMStateError as error:
            raise drgn.FaultError(str(error), address) from None

    program = drgn.Program(PLATFORMS[architecture_of(stream)])
    for each in memory.ranges:
        program.add_memory_segment(each.address, each.size, read, True)
    program.set_linux_kernel_custom(vmcoreinfo_of(memory), False)
    return program

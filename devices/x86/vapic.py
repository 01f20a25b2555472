"""The option ROM by which guests are patched to use the task-priority register fast (kvmvapic).

Facts from QEMU's hw/i386/vapic.c.
"""

from __future__ import annotations

from typing import Protocol

from vmstate.declare import MEMORY, VMState, array, asks, description, device, rule, struct, this, uint32, unused

ROM_BLOCK_SIZE = 512


class Memory(Protocol):
    """What is asked of guest memory."""

    def read(self, address: int, size: int) -> bytes:
        """Bytes from a guest physical address on."""
        ...

    def has(self, address: int, size: int) -> bool:
        """Whether the machine has memory there, in one piece."""
        ...


def _has_rom(state: int, address: int, memory: Memory) -> bool:
    """Whether there is a ROM to go with a state that is not inactive; its third byte is its size."""
    if state == 0 and address == 0:
        return True
    size = (address & -ROM_BLOCK_SIZE) + 2
    # In the piece of memory that begins at address 0.
    return memory.has(0, size + 1) and memory.read(size, 1) != b"\0"


@description("kvmvapic-handlers", version_id=1, minimum_version_id=1)
class Handlers(VMState):
    """Entry points of the patched code."""

    set_tpr: int = uint32()
    set_tpr_eax: int = uint32()
    get_tpr: list[int] = array(uint32, 8)
    get_tpr_stack: int = uint32()


@description("kvmvapic-guest-rom", version_id=1, minimum_version_id=1)
class GuestROM(VMState):
    """The state of the ROM in the guest."""

    unused_0: None = unused(8)
    vaddr: int = uint32()
    fixup_start: int = uint32()
    fixup_end: int = uint32()
    vapic_vaddr: int = uint32()
    vapic_size: int = uint32()
    vcpu_shift: int = uint32()
    real_tpr_addr: int = uint32()
    up_: Handlers = struct(Handlers, name="up")
    mp: Handlers = struct(Handlers)


@device("kvm-tpr-opt", early_copy="vmstate.devices.early_copies:OPTION_ROM")
@description(
    "kvm-tpr-opt",
    version_id=1,
    minimum_version_id=1,
    rules=(
        rule(
            "vapic-rom",
            asks(_has_rom, this.state, this.rom_state_paddr, MEMORY),
            "an option ROM that is in use stands in memory at rom_state_paddr, and says its size",
        ),
    ),
)
class VAPIC(VMState):
    """Where the ROM is and whether it is active."""

    rom_state: GuestROM = struct(GuestROM)
    state: int = uint32()
    real_tpr_addr: int = uint32()
    rom_state_vaddr: int = uint32()
    vapic_paddr: int = uint32()
    rom_state_paddr: int = uint32()

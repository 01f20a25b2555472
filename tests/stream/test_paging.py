"""Virtual addresses, against tables that were made from what they say, and against a real QEMU's answers."""

from __future__ import annotations

import random
import re
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from machines import needs_qemu
from page_tables import ARM, SIZE, X86, Mode, Tables

from vmstate import load
from vmstate.errors import StreamError, VMStateError
from vmstate.qemu.machine import Machine, find_qemu
from vmstate.stream.paging import SCTLR_EL1, TCR_EL1, TTBR1_EL1, Paging, arm_paging, x86_paging

PG, PAE, PSE, LA57, LMA, LME = 0x8000_0001, 0x20, 0x10, 0x1000, 0x400, 0x100

CONTROL = {"32-bit": (PSE, 0), "PAE": (PAE, 0), "4 levels": (PAE, LMA), "5 levels": (PAE | LA57, LMA)}
GRANULES = {12: 2, 14: 1, 16: 3}


class Memory:
    """Bytes where there are some."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    def read(self, address: int, size: int) -> bytes:
        at = address - self.tables.base
        if not 0 <= at <= SIZE - size:
            raise StreamError("the machine has no memory there")
        return bytes(self.tables.memory[at : at + size])


def control_of(mode: Mode) -> int:
    """TCR for the upper half alone, with 44 bits of physical address."""
    return 4 << 32 | GRANULES[mode.shifts[-1]] << 30 | (64 - mode.bits) << 16 | 1 << 23 - 16 | 25


def paging(tables: Tables, address: int) -> Paging:
    memory: Any = Memory(tables)
    if tables.mode.tag == "x86":
        cr4, efer = CONTROL[tables.mode.name]
        # What stands in the lower bits is none of the address.
        return x86_paging(memory, tables.root | 0x18, {"cr[0]": PG, "cr[4]": cr4}, efer)
    known = {SCTLR_EL1: 1, TCR_EL1: control_of(tables.mode), TTBR1_EL1: tables.root | 1}
    return arm_paging(memory, known, None, address)


def translated(tables: Tables, address: int) -> int | None:
    try:
        return paging(tables, address).translate(address)
    except StreamError as error:
        assert "nothing at virtual address" in str(error)
        return None


@pytest.mark.parametrize("mode", [*X86, *ARM], ids=lambda mode: mode.name)
def test_tables_say_what_they_were_made_of(mode: Mode) -> None:
    pages = 0
    for seed in range(6):
        rng = random.Random(seed)
        tables = Tables(mode, 0 if mode.tag == "x86" else 1 << 30)
        tables.fill(rng, 40 if mode.shifts[-1] < 16 else 12)
        pages += len({page.size for page in tables.pages})
        for address in tables.questions(rng):
            assert translated(tables, address) == tables.means(address), hex(address)
    assert pages > 6


@pytest.mark.parametrize("mode", X86[2:], ids=lambda mode: mode.name)
def test_addresses_that_no_processor_takes(mode: Mode) -> None:
    tables = Tables(mode)
    tables.put(0x1000, 0x5000, len(mode.shifts) - 1)
    assert translated(tables, 0x1234) == 0x5234
    for address in (0x1000 | 1 << mode.bits - 1, 0x1000 | 1 << mode.bits, 0x1000 | 1 << 63):
        assert translated(tables, address) is None


def test_an_address_of_32_bits_is_no_longer() -> None:
    tables = Tables(X86[0])
    tables.put(0, 0x5000, 1)
    assert translated(tables, 0) == 0x5000 and translated(tables, 1 << 32) is None
    # Without PSE a page of 4 MiB is a table.
    tables.put(0x40_0000, 0x80_0000, 0)
    memory: Any = Memory(tables)
    assert x86_paging(memory, tables.root, {"cr[0]": PG, "cr[4]": PSE}, 0).translate(0x40_0000) == 0x80_0000
    with pytest.raises(StreamError, match="no memory there"):
        x86_paging(memory, tables.root, {"cr[0]": PG, "cr[4]": 0}, 0).translate(0x40_0000)
    assert x86_paging(memory, tables.root, {"cr[0]": 1, "cr[4]": 0}, 0).translate(0x1234) == 0x1234


def arm(tables: Tables, control: int, address: int) -> int:
    memory: Any = Memory(tables)
    registers = {SCTLR_EL1: 1, TCR_EL1: control, TTBR1_EL1: tables.root}
    return arm_paging(memory, registers, None, address).translate(address)


def test_what_the_control_register_of_arm_turns_on_and_off() -> None:
    mode = ARM[0]
    tables = Tables(mode)
    address = tables.canonical(0x1000)
    tables.put(address, 0x5000, 3)
    control = control_of(mode)
    assert arm(tables, control, address + 1) == 0x5001
    # A byte that means nothing, where that is turned on; bit 55 says which half it is.
    tagged = address & ~(0x5A << 56)
    assert arm(tables, control | 1 << 38, tagged) == 0x5000
    for wrong_control, wrong in ((control, tagged), (control | 1 << 23, address), (control, address ^ 1 << 50)):
        with pytest.raises(StreamError, match="nothing at virtual address"):
            arm(tables, wrong_control, wrong)
    with pytest.raises(StreamError, match="impossible translation control"):
        arm(tables, control & ~(3 << 30), address)
    with pytest.raises(StreamError, match="impossible translation control"):
        arm(tables, control & ~(0x3F << 16), address)


@pytest.mark.parametrize(
    ("granule", "shifts"), [(12, (48, 39, 30, 21, 12)), (14, (47, 36, 25, 14)), (16, (42, 29, 16))]
)
def test_addresses_of_52_bits(granule: int, shifts: tuple[int, ...]) -> None:
    mode = Mode("52 bits", shifts, shifts[-2:-1], 52, tag="arm")
    tables = Tables(mode)
    address = tables.canonical(0x8_1234_5678_0000)
    tables.put(address, 0, len(shifts) - 1)
    # The highest bits of a physical address stand where lower ones have none.
    last = next(at for at in range(SIZE - 8, 0, -8) if any(tables.memory[at : at + 8]))
    entry = int.from_bytes(tables.memory[last : last + 8], "little")
    entry = entry | 0x9 << 12 if granule == 16 else (entry & ~0x300) | 2 << 8
    tables.memory[last : last + 8] = entry.to_bytes(8, "little")
    control = control_of(mode) & ~(7 << 32) | (6 << 32 if granule == 16 else 1 << 59)
    high = 0x9 << 48 if granule == 16 else 2 << 50
    # With 48 bits these bits are none of the address, or the address has too many.
    assert arm(tables, control, address + 7) == high + 7


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_block_stands_only_where_one_can(level: int) -> None:
    for mode in ARM:
        if level < len(mode.shifts) - 1 and mode.shifts[level] not in mode.pages:
            tables = Tables(mode)
            address = tables.canonical(1 << 20)
            tables.put(address, 0, level)
            with pytest.raises(StreamError, match="nothing at virtual address"):
                arm(tables, control_of(mode), address)


# A real QEMU.


def ask(machine: Machine, line: str) -> str:
    return str(machine.ask("human-monitor-command", {"command-line": line}))


def answers(machine: Machine, addresses: list[int]) -> Mapping[int, int | None]:
    physical = {}
    for address in addresses:
        text = ask(machine, f"gva2gpa {address:#x}")
        match = re.search(r"gpa: (0x[0-9a-f]+)", text)
        assert match is not None or "Unmapped" in text, text
        physical[address] = None if match is None else int(match[1], 16)
    return physical


class Debugger:
    """QEMU's stub for gdb, to set registers."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(str(path))
        # Until it is asked for the descriptions of registers QEMU takes no single ones.
        self.send("qSupported:xmlRegisters=i386")
        self.send("qXfer:features:read:target.xml:0,ffb")

    def send(self, text: str) -> str:
        self._socket.sendall(f"${text}#{sum(text.encode()) & 0xFF:02x}".encode())
        heard = b""
        while b"#" not in heard or len(heard.rpartition(b"#")[2]) < 2:
            heard += self._socket.recv(4096)
        self._socket.sendall(b"+")
        return heard.partition(b"$")[2].partition(b"#")[0].decode()

    def close(self) -> None:
        self._socket.close()


REGISTERS = {"cr0": 27, "cr3": 29, "cr4": 30, "efer": 32}


def saved(machine: Machine, path: Path) -> None:
    machine.ask("migrate", {"uri": f"exec:cat > {path}"})
    end = time.monotonic() + 30
    while (state := machine.ask("query-migrate")).get("status") not in ("completed", "failed"):
        assert time.monotonic() < end, state
        time.sleep(0.01)
    assert state["status"] == "completed", state


def compared(machine: Machine, tables: Tables, path: Path, rng: random.Random) -> int:
    """How many addresses mean the same to QEMU and to us, and to who made the tables."""
    answered = answers(machine, tables.questions(rng))
    saved(machine, path)
    with load(path) as stream:
        memory = stream.memory()
        for address, right in answered.items():
            assert right == tables.means(address), hex(address)
            try:
                ours: int | None = memory.translate("cpu", address)
            except VMStateError:
                ours = None
            assert ours == right, hex(address)
    return sum(right is not None for right in answered.values())


@needs_qemu
@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.parametrize("mode", X86, ids=lambda mode: mode.name)
def test_qemu_says_the_same_of_x86(mode: Mode, tmp_path: Path) -> None:
    rng = random.Random(mode.name)
    tables = Tables(mode)
    tables.fill(rng, 40, 1 << 39)
    # Without them QEMU drops what it walks into.
    (tmp_path / "memory").write_bytes(tables.memory)
    words = ["qemu-system-x86_64", "-M", "microvm", "-accel", "tcg", "-m", "16", "-cpu", "max", "-nodefaults", "-S"]
    words += ["-device", f"loader,file={tmp_path / 'memory'},addr=0,force-raw=on", "-gdb"]
    with Machine([*words, f"unix:{tmp_path / 'gdb'},server=on,wait=off"]) as machine:
        cr4, efer = CONTROL[mode.name]
        debugger = Debugger(tmp_path / "gdb")
        try:
            for name, value in (("cr4", cr4), ("efer", LME if efer else 0), ("cr3", tables.root), ("cr0", PG)):
                assert debugger.send(f"P{REGISTERS[name]:x}={struct.pack('<Q', value).hex()}") == "OK"
        finally:
            debugger.close()
        assert compared(machine, tables, tmp_path / "guest.mig", rng) > 20


def arm_program(registers: list[tuple[int, int]]) -> bytes:
    """Code that writes system registers (the word of `msr REGISTER, x0`, what to write), and then stays where it is."""
    code: list[int] = []
    count = 2 * len(registers) + 2
    for number, (word, _) in enumerate(registers):
        distance = count + 2 * number - len(code)
        code += [0x5800_0000 | distance << 5, word]
    code += [0xD503_3FDF, 0x1400_0000]
    body = struct.pack(f"<{len(code)}I", *code)
    return body + b"".join(struct.pack("<Q", value) for _, value in registers)


@needs_qemu
@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.parametrize("mode", ARM, ids=lambda mode: mode.name)
def test_qemu_says_the_same_of_aarch64(mode: Mode, tmp_path: Path) -> None:
    try:
        find_qemu("qemu-system-aarch64")
    except VMStateError:
        pytest.skip("needs qemu-system-aarch64: install qemu-system-arm")
    rng = random.Random(mode.name)
    # Below it QEMU puts the device tree.
    base = 0x4020_0000
    tables = Tables(mode, base)
    tables.fill(rng, 40 if mode.shifts[-1] < 16 else 12, 1 << 40)
    # The code itself is found by the lower half, which is turned off: the fault leaves the registers as they are.
    program = arm_program(
        [(0xD518_2020, tables.root), (0xD518_2040, control_of(mode)), (0xD518_A200, 0xFF), (0xD518_1000, 0x30D0_0801)]
    )
    tables.memory[: len(program)] = program
    (tmp_path / "memory").write_bytes(tables.memory)
    words = ["qemu-system-aarch64", "-M", "virt", "-accel", "tcg", "-m", "16", "-cpu", "max", "-nodefaults", "-S"]
    words += ["-device", f"loader,file={tmp_path / 'memory'},addr={base:#x},force-raw=on"]
    words += ["-device", f"loader,addr={base:#x},cpu-num=0"]
    with Machine(words) as machine:
        machine.ask("cont")
        end = time.monotonic() + 20
        while time.monotonic() < end and re.search("PC=00000000402", ask(machine, "info registers")):
            time.sleep(0.02)
        machine.ask("stop")
        assert compared(machine, tables, tmp_path / "guest.mig", rng) > 20

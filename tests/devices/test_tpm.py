"""A TPM's state, which has lengths of its own, and its two interfaces."""

from __future__ import annotations

from recorded import opened, plain

from vmstate import load, verify
from vmstate.devices.tpm.crb import ByteArray, Chunk, TPMCrb
from vmstate.devices.tpm.emulator import TPMEmulator
from vmstate.devices.tpm.tis import TPMTis

CRB = "recorded/qemu-11.1-q35-tpm-crb.mig.xz"
RISCV = "recorded/qemu-11.1-riscv64-virt-cold.mig.xz"


def test_the_lengths_are_in_the_stream() -> None:
    section = opened(CRB)["tpm-emulator"]
    state = TPMEmulator.vmsd.decode(section.payload())
    assert TPMEmulator.vmsd.encode(state) == section.payload()
    assert len(state.permanent_buffer) == state.permanent_size > 1000
    assert len(state.volatil_buffer) == state.volatil_size > 1000
    assert state.savestate_buffer == b""
    shorter = TPMEmulator(permanent_size=3, permanent_buffer=b"abc")
    assert TPMEmulator.vmsd.decode(TPMEmulator.vmsd.encode(shorter)) == shorter


def test_an_answer_in_pieces() -> None:
    """11.1 keeps what is larger than the buffer, each with its length."""
    state = opened(CRB).section("tpm-crb", TPMCrb).state
    assert state.chunk is not None
    assert len(state.chunk.response_buffer.data) == state.chunk.response_buffer.len
    chunk = Chunk(command_buffer=ByteArray(len=2, data=b"ab"), response_buffer=ByteArray(), response_offset=0)
    changed = TPMCrb(chunk=chunk)
    assert TPMCrb.vmsd.decode(TPMCrb.vmsd.encode(changed)) == changed


def test_the_localities_of_the_fifo() -> None:
    assert len(TPMTis.vmsd.encode(TPMTis())) == 4096 + 2 + 3 + 5 * 21


def test_the_cpu_of_another_architecture_is_no_layout_gone_wrong() -> None:
    """The idstr `cpu` is that of x86, Arm, s390x and RISC-V; `serial` that of the ISA port and of the one in memory."""
    with load(plain(RISCV)) as stream:
        assert verify(stream, memoryview(plain(RISCV))) == []
        assert "env.gpr" in stream["cpu"].state

"""The Sound Blaster 16.

Facts from QEMU's hw/audio/sb16.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    buffer,
    description,
    device,
    host,
    int32,
    rule,
    this,
    uint8,
    uint32,
    unused,
    variant,
)

ARGUMENT_BYTES = 10
"""Bytes that a command can have got."""
ANSWER_BYTES = 50
"""Bytes that can wait to be read."""

CHECKED_SINCE = Release(10, 0)
"""The first release of which an update minds the two counts: 10.0.13 does, 7.2.22 does not."""


@device("sb16", models="vmstate.devices.audio.models:SB16")
@description(
    "sb16",
    version_id=1,
    minimum_version_id=1,
    rules=(
        rule(
            "sb16-arguments",
            (this.in_index >= 0) & (this.in_index <= ARGUMENT_BYTES),
            f"a command has got at most {ARGUMENT_BYTES} bytes",
            since=CHECKED_SINCE,
        ),
        rule(
            "sb16-answer",
            (this.out_data_len >= 0) & (this.out_data_len <= ANSWER_BYTES),
            f"at most {ANSWER_BYTES} bytes wait to be read",
            since=CHECKED_SINCE,
        ),
    ),
)
class SB16(VMState):
    """Registers, the command that is under way, and the mixer."""

    irq: int = host(0)
    dma: int = host(0)
    hdma: int = host(0)
    port: int = host(0)
    ver: int = host(0)
    unused_0: None = unused(20)
    in_index: int = int32()
    out_data_len: int = int32()
    fmt_stereo: int = int32()
    fmt_signed: int = int32()
    fmt_bits: int = int32()
    fmt: int = uint32()
    dma_auto: int = int32()
    block_size: int = int32()
    fifo: int = int32()
    freq: int = int32()
    time_const: int = int32()
    speaker: int = int32()
    needed_bytes: int = int32()
    cmd: int = int32()
    use_hdma: int = int32()
    highspeed: int = int32()
    can_write: int = int32()
    v2x6: int = int32()
    csp_param: int = uint8()
    csp_value: int = uint8()
    csp_mode: int = uint8()
    csp_param_1: int = uint8(name="csp_param")
    csp_regs: bytes = buffer(256)
    csp_index: int = uint8()
    csp_reg83: bytes = buffer(4)
    csp_reg83r: int = int32()
    csp_reg83w: int = int32()
    in2_data: bytes = buffer(ARGUMENT_BYTES)
    out_data: bytes = buffer(ANSWER_BYTES)
    test_reg: int = uint8()
    last_read_byte: int = uint8()
    nzero: int = int32()
    left_till_irq: int = int32()
    dma_running: int = int32()
    bytes_per_second: int = int32()
    align: int = int32()
    mixer_nreg: int = int32()
    mixer_regs: bytes = buffer(256)


SB16_7_2 = variant(SB16, irq=uint32(), dma=uint32(), hdma=uint32(), port=uint32(), ver=uint32(), unused_0=None)
"""Up to 7.2 how the card is wired is sent, which the machine knows."""

"""A codec behind an HD Audio controller.

Facts from QEMU's hw/audio/hda-codec.c.
"""

from __future__ import annotations

from vmstate.declare import (
    OWN,
    VMState,
    allocated,
    array,
    asks,
    boolean,
    buffer,
    description,
    device,
    int64,
    subsection,
    this,
    timer,
    uint32,
)


@description("hda-audio-stream/buffer", version_id=1)
class StreamBuf(VMState):
    """The buffer of a stream; sent where a timer drives it."""

    buf: bytes = buffer(8192)
    rpos: int = int64()
    wpos: int = int64()
    buft: int = timer()
    buft_start: int = int64()


def has_stream(buffer_state: StreamBuf | None, own_format: int) -> bool:
    """Whether a codec has the stream of which the buffer is sent: before a guest ran, its format is one."""
    return buffer_state is None or own_format != 0


BUFFER = allocated(
    "stream of sound with this number",
    "give both sides the same codec (hda-duplex, hda-output, hda-micro)",
    asks(has_stream, this.buffer_state, OWN["format"]),
)


@description("hda-audio-stream", version_id=1, rules=(BUFFER,))
class AudioStream(VMState):
    """A stream: format and gain."""

    stream: int = uint32()
    channel: int = uint32()
    format: int = uint32()
    gain_left: int = uint32()
    gain_right: int = uint32()
    mute_left: bool = boolean()
    mute_right: bool = boolean()
    compat_bpos: int = uint32()
    compat_buf: bytes = buffer(256)
    buffer_state: StreamBuf | None = subsection(StreamBuf)


@device("hda-audio", models="vmstate.devices.audio.models:HDA_CODEC")
@description("hda-audio", version_id=2)
class HDAAudio(VMState):
    """The codec's streams and which of them run."""

    st: list[AudioStream] = array(AudioStream, 4)
    running_compat: list[bool] = array(boolean, 16)
    running_real: list[bool] = array(boolean, 32, version=2)

"""A codec behind an HD Audio controller.

Facts from QEMU's hw/audio/hda-codec.c.
"""

from __future__ import annotations

from vmstate.declare import (
    OWN,
    RELEASE,
    Release,
    VMState,
    allocated,
    array,
    asks,
    boolean,
    buffer,
    description,
    device,
    int64,
    otherwise,
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


ALWAYS_A_TIMER = Release(9, 2)
"""The first release that makes the timer of each stream; before, only with `use-timer`."""

LATER_ALWAYS_A_TIMER = frozenset((Release(7, 2), Release(8, 2), Release(9, 0), Release(9, 1)))
"""Older releases of which later stable versions make it, too: from 7.2.15, 8.2.8, 9.0.4, 9.1.2 on."""


def has_stream(
    buffer_state: StreamBuf | None, own_format: int, own_buffer: StreamBuf | None, release: Release | None
) -> bool:
    """Whether a codec has the stream of which the buffer is sent, and its timer.

    Before a guest ran, the format of a stream is one. With a timer that is used, the codec sends a buffer itself.
    """
    if buffer_state is None or own_format == 0:
        return buffer_state is None
    makes_a_timer = release is None or release >= ALWAYS_A_TIMER or release in LATER_ALWAYS_A_TIMER
    return own_buffer is not None or makes_a_timer


BUFFER = allocated(
    "stream of sound with this number",
    "give both sides the same codec (hda-duplex, hda-output, hda-micro), and the same use-timer=",
    asks(has_stream, this.buffer_state, OWN["format"], otherwise(OWN["buffer_state"], None), otherwise(RELEASE, None)),
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

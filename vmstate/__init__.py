"""vmstate: the bytes in which QEMU saves a machine."""

from vmstate.codec import Codec, Records, TraceEntry

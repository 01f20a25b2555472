"""Sound cards on QEMU's command line.

Names and ids from QEMU's hw/audio (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import CAP_ID_MSI, Model, ModelAsk, Property, has_capability

AUDIODEV = "audiodev"

AC97 = (Model("AC97", back_end=AUDIODEV),)
ES1370 = (Model("ES1370", back_end=AUDIODEV),)
SB16 = (Model("sb16", back_end=AUDIODEV),)
GUS = (Model("gus", back_end=AUDIODEV),)
CS4231A = (Model("cs4231a", back_end=AUDIODEV),)
OLD_MSI_ADDRESS = 0x50


def _old_msi_addr(ask: ModelAsk) -> bool | None:
    """On where the capability stands where releases before 2.0 had it."""
    return True if ask.space.capability(CAP_ID_MSI) == OLD_MSI_ADDRESS else None


_HDA: dict[str, Property] = {"msi": has_capability(CAP_ID_MSI), "old_msi_addr": _old_msi_addr}
INTEL_HDA = (
    Model("intel-hda", (0x8086, 0x2668), _HDA, bus="hda"),
    Model("ich9-intel-hda", (0x8086, 0x293E), _HDA, bus="hda"),
)


def _has_one_stream(ask: ModelAsk) -> bool:
    """Whether the first stream has a buffer and the second none: a codec with a timer has one for each stream."""
    return ask("st[0].buffer_state") is not None and ask("st[1].buffer_state") is None


def _use_timer(ask: ModelAsk) -> bool | None:
    """Off where no stream has what a timer works on."""
    return None if any(ask(f"st[{number}].buffer_state") is not None for number in range(4)) else False


_CODEC: dict[str, Property] = {"use-timer": _use_timer}
HDA_CODEC = (
    Model("hda-output", None, _CODEC, AUDIODEV, when=_has_one_stream, or_else="hda-micro"),
    Model("hda-duplex", None, _CODEC, AUDIODEV),
)
"""What a codec sends does not say whether its one stream is an output (hda-output) or an input (hda-micro)."""

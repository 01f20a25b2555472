"""Sound cards on QEMU's command line.

Names and ids from QEMU's hw/audio (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model, ModelAsk

AUDIODEV = "audiodev"

AC97 = (Model("AC97", back_end=AUDIODEV),)
ES1370 = (Model("ES1370", back_end=AUDIODEV),)
SB16 = (Model("sb16", back_end=AUDIODEV),)
GUS = (Model("gus", back_end=AUDIODEV),)
CS4231A = (Model("cs4231a", back_end=AUDIODEV),)
CAP_ID_MSI = 5


def _msi(ask: ModelAsk) -> bool:
    return ask.space.capability(CAP_ID_MSI) is not None


INTEL_HDA = (
    Model("intel-hda", (0x8086, 0x2668), {"msi": _msi}, bus="hda"),
    Model("ich9-intel-hda", (0x8086, 0x293E), {"msi": _msi}, bus="hda"),
)
HDA_CODEC = (Model("hda-duplex", back_end=AUDIODEV),)
"""What a codec sends does not say whether it has an input (hda-duplex, hda-micro) or none (hda-output)."""

"""Sound cards on QEMU's command line.

Names and ids from QEMU's hw/audio (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model

AUDIODEV = "audiodev"

AC97 = (Model("AC97", back_end=AUDIODEV),)
ES1370 = (Model("ES1370", back_end=AUDIODEV),)
SB16 = (Model("sb16", back_end=AUDIODEV),)
GUS = (Model("gus", back_end=AUDIODEV),)
CS4231A = (Model("cs4231a", back_end=AUDIODEV),)
INTEL_HDA = (
    Model("intel-hda", (0x8086, 0x2668), bus="hda"),
    Model("ich9-intel-hda", (0x8086, 0x293E), bus="hda"),
)
HDA_CODEC = (Model("hda-duplex", back_end=AUDIODEV),)
"""What a codec sends does not say whether it has an input (hda-duplex, hda-micro) or none (hda-output)."""

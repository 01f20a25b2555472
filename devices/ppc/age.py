"""How old the `pseries` machine type of a stream is, which no section says. Facts from QEMU's hw/ppc/spapr.c."""

from __future__ import annotations

from vmstate.declare import choose, fact

BEFORE_2_8 = fact("pseries_before_2_8", (False, True))
"""Whether the machine type is pseries-2.7 or older, which sends what a device has and not only what it holds."""

BEFORE_3_0 = fact("pseries_before_3_0", (False, True), derived=choose(BEFORE_2_8, True, None))
"""Whether the machine type is pseries-2.12 or older."""

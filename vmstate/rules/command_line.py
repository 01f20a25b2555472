"""What rules ask of a destination's command line, since no section of it says that."""

from __future__ import annotations

import re
from collections.abc import Sequence

USER_TSC_KHZ = "user_tsc_khz"
"""The fact of x86 processors: the frequency, in kHz, that is set for the time-stamp counter; 0 if none is."""

_FREQUENCY = re.compile(r"\btsc-freq(?:uency)?(?:=|,value=)([^,\s]*)")


def facts_of_command(command: Sequence[str]) -> dict[str, int]:
    """The facts by name, without what is not said in plain words.

    The frequency is `tsc-frequency=` in Hz, of -cpu, -global or a processor that is added; the last counts.
    """
    said = _FREQUENCY.findall(" ".join(command))
    if not said:
        return {USER_TSC_KHZ: 0}
    return {USER_TSC_KHZ: int(said[-1]) // 1000} if said[-1].isascii() and said[-1].isdecimal() else {}

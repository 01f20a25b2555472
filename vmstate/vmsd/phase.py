"""When QEMU saves a section: `SavePhase`, in which a proposed series (27 Jan 2026) makes an enum of `early_setup`."""

from __future__ import annotations

from enum import StrEnum


class SavePhase(StrEnum):
    """When a section is saved.

    EARLY_SETUP: in front of memory, while the guest runs, what QEMU up to 11.1 calls `early_setup`. COMPLETE: at the
    stop, as nearly all are. NETPASS: when the destination runs, behind the first end of the stream; no release has it.
    """

    EARLY_SETUP = "early-setup"
    COMPLETE = "complete"
    NETPASS = "netpass"

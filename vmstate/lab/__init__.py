"""Real QEMU in the loop: run machines, save them to streams, load streams into them, speak their migration protocol."""

from __future__ import annotations

from vmstate.lazy import names_on_demand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmstate.lab.incoming import Outcome, QemuDestination, load_into_qemu
    from vmstate.lab.live import Sink, send
    from vmstate.lab.refusal import explain_refusal
    from vmstate.lab.target import target_of
    from vmstate.qemu.capture import capture_machine, capture_running, capture_started
    from vmstate.qemu.machine import Machine, Qemu, find_qemu
    from vmstate.qemu.monitor import Monitor
    from vmstate.qemu.provenance import read_provenance

__all__ = [
    "Machine",
    "Monitor",
    "Outcome",
    "Qemu",
    "QemuDestination",
    "Sink",
    "capture_machine",
    "capture_running",
    "capture_started",
    "explain_refusal",
    "find_qemu",
    "load_into_qemu",
    "read_provenance",
    "send",
    "target_of",
]

if not TYPE_CHECKING:
    # A checker would take every name for one that is here.
    __getattr__, __dir__ = names_on_demand(
        globals(),
        {
            "vmstate.qemu.capture": ("capture_machine", "capture_running", "capture_started"),
            "vmstate.lab.incoming": ("QemuDestination", "Outcome", "load_into_qemu"),
            "vmstate.lab.live": ("Sink", "send"),
            "vmstate.qemu.machine": ("Machine", "Qemu", "find_qemu"),
            "vmstate.qemu.monitor": ("Monitor",),
            "vmstate.qemu.provenance": ("read_provenance",),
            "vmstate.lab.refusal": ("explain_refusal",),
            "vmstate.lab.target": ("target_of",),
        },
    )

"""Sections that nobody describes: what is to be known of them all the same.

They are registered by hand (vmstate_register, register_savevm_live), some beside a device that has no description of
its own. From QEMU's source, and from what streams of 5.2, 7.2, 10.0 and 11.1 hold that the dumps of these releases do
not.
"""

from __future__ import annotations

from vmstate.declare import undescribed

ARM_TIMER = undescribed("arm_timer", listed=False)
BLOCK = undescribed("block", old_style=True, listed=False)
DIRTY_BITMAP = undescribed("dirty-bitmap", old_style=True, listed=False)
HVF_VTIMER = undescribed("hvf-vtimer", listed=False)
OR1K_TIMER = undescribed("or1k_timer", listed=False)
REPLAY = undescribed("replay", listed=False)
VDAGENT = undescribed("vdagent", listed=False)
VFIO = undescribed("vfio", old_style=True, listed=False)
"""A device of the host, each with its bus path in front."""

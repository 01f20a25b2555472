"""What every SCSI device has, and the requests it was asked to try again.

Facts from QEMU's hw/scsi/scsi-bus.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, int8, keyed_list, sub_array, subsection, uint8, uint32, up
from vmstate.devices.scsi.request import SCSIRequest


@description("SCSIDevice/sense", version_id=1, minimum_version_id=1, needed=up.sense_len > 96)
class ScsiSense(VMState):
    """The rest of the sense data; sent where it is longer than 96 bytes."""

    sense: list[int] = sub_array(uint8, 96, 156)


@description("SCSIDevice", version_id=1, minimum_version_id=1)
class SCSIDevice(VMState):
    """Unit attention, sense data and requests."""

    unit_attention_key: int = uint8(name="unit_attention.key")
    unit_attention_asc: int = uint8(name="unit_attention.asc")
    unit_attention_ascq: int = uint8(name="unit_attention.ascq")
    sense_is_ua: bool = boolean()
    sense: list[int] = sub_array(uint8, 0, 96)
    sense_len: int = uint32()
    requests: list[SCSIRequest] = keyed_list(SCSIRequest, key=int8, info="scsi-requests")
    sense_state: ScsiSense | None = subsection(ScsiSense)

"""The NCR 53C9x (ESP) controller of boards, without PCI.

Facts from QEMU's hw/scsi/esp.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint8, variant
from vmstate.devices.scsi.esp import ESP, ESP_5_2, ESP_7_2, ESP_10_0


@device("sysbusespscsi")
@description("sysbusespscsi", version_id=2, minimum_version_id=1)
class SysBusESP(VMState):
    """The controller."""

    mig_version_id: int = uint8(name="esp.mig_version_id", version=2)
    esp: ESP = struct(ESP)


SYSBUS_ESP_10_0 = variant(SysBusESP, esp=struct(ESP_10_0))
SYSBUS_ESP_7_2 = variant(SysBusESP, esp=struct(ESP_7_2))
SYSBUS_ESP_5_2 = variant(SysBusESP, None, 1, mig_version_id=None, esp=struct(ESP_5_2))
"""With the controllers of those releases."""

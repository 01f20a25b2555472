"""The CCW transport of virtio (s390x).

Facts from QEMU's hw/s390x/virtio-ccw.c, hw/s390x/ccw-device.c and hw/intc/s390_flic.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    description,
    int32,
    rule,
    struct,
    subsection,
    this,
    uint8,
    uint16,
    uint32,
    uint64,
    with_tmp,
)
from vmstate.devices.s390x.css import IndAddr, SubchDev


@description("s390_ccw_dev", version_id=1, minimum_version_id=1)
class CcwDevice(VMState):
    """A device on a subchannel."""

    sch: SubchDev = struct(SubchDev)


@description("s390_adapter_info/summary_offset", version_id=1, minimum_version_id=1)
class AdapterInfoSummaryOffset(VMState):
    """Where the summary indicator stands."""

    summary_offset: int = uint32()


@description("s390_adapter_info", version_id=1, minimum_version_id=1)
class AdapterInfo(VMState):
    """The I/O adapter that delivers interrupts."""

    ind_offset: int = uint64()
    summary_offset: AdapterInfoSummaryOffset | None = subsection(AdapterInfoSummaryOffset)


@description("s390_adapter_routes", version_id=1, minimum_version_id=1)
class AdapterRoutes(VMState):
    """How interrupts are routed."""

    adapter: AdapterInfo = struct(AdapterInfo, version=1)


@description("s390_virtio_ccw_dev_tmp")
class VirtioCcwDeviceTmp(VMState):
    """What belongs to the virtio device and is sent here."""

    config_vector: int = uint16()


@description("s390_virtio_ccw_dev", version_id=1, minimum_version_id=1)
class VirtioCcwDevice(VMState):
    """What the transport saves before the device."""

    parent_obj: CcwDevice = struct(CcwDevice, version=1)
    indicators: IndAddr = struct(IndAddr, version=1)
    indicators2: IndAddr = struct(IndAddr, version=1)
    summary_indicator: IndAddr = struct(IndAddr, version=1)
    tmp: VirtioCcwDeviceTmp = with_tmp(VirtioCcwDeviceTmp)
    routes: AdapterRoutes = struct(AdapterRoutes, version=1)
    thinint_isc: int = uint8(
        rules=(
            rule(
                "ccw-isc",
                this.thinint_isc < 8,
                "there are 8 interruption subclasses",
                since=Release(11, 1),
                qemu_error="post load hook failed for: s390_virtio_ccw_dev",
            ),
        )
    )
    revision: int = int32()

"""The IDE bus and its drives, as controllers carry them.

Facts from QEMU's hw/ide/core.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    boolean,
    buffer,
    description,
    int32,
    int64,
    rule,
    subsection,
    this,
    uint8,
    uint32,
    varray,
)

END_TRANSFERS = 6
"""The functions that a programmed transfer can end with, by their numbers."""


@description(
    "ide_drive/atapi/gesn_state",
    version_id=1,
    minimum_version_id=1,
    needed=this.events_new_media | this.events_eject_request,
)
class GesnState(VMState):
    """Events that the guest has not asked for yet; sent where there are any."""

    events_new_media: bool = boolean(name="events.new_media")
    events_eject_request: bool = boolean(name="events.eject_request")


@description("ide_drive/tray_state", version_id=1, minimum_version_id=1, needed=this.tray_open | this.tray_locked)
class TrayState(VMState):
    """The tray; sent where it is open or locked."""

    tray_open: bool = boolean()
    tray_locked: bool = boolean()


@description("ide_drive/pio_state", version_id=1, minimum_version_id=1)
class PioState(VMState):
    """The programmed transfer that is under way; sent where there is one."""

    req_nb_sectors: int = int32()
    io_buffer: list[int] = varray(uint8, count=131076, version=1)
    cur_io_buffer_offset: int = int32()
    cur_io_buffer_len: int = int32()
    end_transfer_fn_idx: int = uint8(
        rules=(
            rule("ide-end-transfer", this.end_transfer_fn_idx < END_TRANSFERS, "what ends the transfer is one of six"),
        )
    )
    elementary_transfer_size: int = int32()
    packet_transfer_size: int = int32()


@description("ide_drive", version_id=3)
class IDEDrive(VMState):
    """A drive: its task file."""

    mult_sectors: int = int32()
    identify_set: int = int32()
    identify_data: bytes | None = buffer(512, exists=this.identify_set != 0)
    feature: int = uint8()
    error: int = uint8()
    nsector: int = uint32()
    sector: int = uint8()
    lcyl: int = uint8()
    hcyl: int = uint8()
    hob_feature: int = uint8()
    hob_sector: int = uint8()
    hob_nsector: int = uint8()
    hob_lcyl: int = uint8()
    hob_hcyl: int = uint8()
    select: int = uint8()
    status: int = uint8()
    lba48: int = uint8()
    sense_key: int = uint8()
    asc: int = uint8()
    cdrom_changed: int = uint8(version=3)
    pio_state: PioState | None = subsection(PioState)
    tray_state: TrayState | None = subsection(TrayState)
    gesn_state: GesnState | None = subsection(GesnState)


@description("ide_bus/error", version_id=2, minimum_version_id=1, needed=this.error_status != 0)
class ErrorStatus(VMState):
    """A request that failed and is to be tried again; sent where there is one."""

    error_status: int = int32()
    retry_sector_num: int = int64(version=2)
    retry_nsector: int = uint32(version=2)
    retry_unit: int = uint8(version=2)


@description("ide_bus", version_id=1, minimum_version_id=1)
class IDEBus(VMState):
    """The bus: the control register and the selected drive."""

    cmd: int = uint8()
    unit: int = uint8()
    error: ErrorStatus | None = subsection(ErrorStatus)

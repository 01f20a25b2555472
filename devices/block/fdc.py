"""The floppy disk controller, as the ISA and Sun controllers carry it.

Facts from QEMU's hw/block/fdc.c and fdc-isa.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    description,
    device,
    int32,
    struct,
    subsection,
    this,
    timer,
    uint8,
    uint8_equal,
    uint32,
    varray,
)


@description("fdrive/media_changed", version_id=1, minimum_version_id=1, needed=this.media_changed != 1)
class MediaChanged(VMState):
    """Whether the medium was changed; sent where it was not, with a medium there."""

    media_changed: int = uint8()


@description("fdrive/media_rate", version_id=1, minimum_version_id=1)
class MediaRate(VMState):
    """The data rate of the medium."""

    media_rate: int = uint8()


@description("fdrive/perpendicular", version_id=1, minimum_version_id=1, needed=this.perpendicular != 0)
class Perpendicular(VMState):
    """Perpendicular mode; sent where it is on."""

    perpendicular: int = uint8()


@description("fdrive", version_id=1, minimum_version_id=1)
class FDrive(VMState):
    """One drive: where its head is."""

    head: int = uint8()
    track: int = uint8()
    sect: int = uint8()
    media_changed: MediaChanged | None = subsection(MediaChanged)
    media_rate: MediaRate | None = subsection(MediaRate)
    perpendicular: Perpendicular | None = subsection(Perpendicular)


@description("fdc/reset_sensei", version_id=1, minimum_version_id=1, needed=this.reset_sensei != 0)
class ResetSensei(VMState):
    """Interrupts to be sensed after a reset; sent where there are any."""

    reset_sensei: int = int32()


@description("fdc/result_timer", version_id=1, minimum_version_id=1, needed=this.result_timer != -1)
class ResultTimer(VMState):
    """The timer of a command's result; sent while it runs."""

    result_timer: int = timer()


@description("fdc/phase", version_id=1, minimum_version_id=1)
class Phase(VMState):
    """The phase of a command; sent where the other registers do not say it."""

    phase: int = uint8()


@description("fdc", version_id=2, minimum_version_id=2)
class FDCtrl(VMState):
    """Registers, the FIFO of one sector, and the drives."""

    sra: int = uint8()
    srb: int = uint8()
    dor_vmstate: int = uint8()
    tdr: int = uint8()
    dsr: int = uint8()
    msr: int = uint8()
    status0: int = uint8()
    status1: int = uint8()
    status2: int = uint8()
    fifo: list[int] = varray(uint8, count=512)
    data_pos: int = uint32()
    data_len: int = uint32()
    data_state: int = uint8()
    data_dir: int = uint8()
    eot: int = uint8()
    timer0: int = uint8()
    timer1: int = uint8()
    precomp_trk: int = uint8()
    config: int = uint8()
    lock: int = uint8()
    pwrd: int = uint8()
    num_floppies: int = uint8_equal()
    drives: list[FDrive] = array(FDrive, 2, version=1)
    reset_sensei: ResetSensei | None = subsection(ResetSensei)
    result_timer: ResultTimer | None = subsection(ResultTimer)
    phase: Phase | None = subsection(Phase)


@device("fdc", models="vmstate.devices.block.models:FDC", legacy_instances=(0x3F0, 0x370))
@description("fdc", version_id=2, minimum_version_id=2)
class ISAFDC(VMState):
    """The controller on the ISA bus."""

    state: FDCtrl = struct(FDCtrl)

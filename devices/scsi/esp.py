"""The NCR 53C9x (ESP) controller, as its PCI and system-bus forms carry it.

Facts from QEMU's hw/scsi/esp.c.
"""

from __future__ import annotations

from typing import Any

from vmstate.declare import (
    Expr,
    VMState,
    boolean,
    buffer,
    choose,
    description,
    int32,
    otherwise,
    struct,
    uint8,
    uint32,
    up,
    variant,
    vbuffer,
)
from vmstate.devices.core.fifo8 import Fifo8


def _esp_version(newest: int) -> Expr:
    """The version that conditions go by: the one sent, 0 where none is, but not above the destination's own."""
    sent = otherwise(up.mig_version_id, 0)
    return choose(sent < newest, sent, newest)


ESP_VERSION = _esp_version(8)

ESP_FIFO = variant(Fifo8, data=vbuffer(16))
ESP_CMDFIFO = variant(Fifo8, data=vbuffer(32))


@description("esp", version_id=8, minimum_version_id=3)
class ESP(VMState):
    """Registers, FIFOs and the transfer that is under way."""

    rregs: bytes = buffer(16)
    wregs: bytes = buffer(16)
    ti_size: int = int32()
    mig_ti_rptr: int | None = uint32(exists=ESP_VERSION < 5)
    mig_ti_wptr: int | None = uint32(exists=ESP_VERSION < 5)
    mig_ti_buf: bytes | None = buffer(16, exists=ESP_VERSION < 5)
    status: int = uint32()
    mig_deferred_status: int | None = uint32(exists=ESP_VERSION < 5)
    mig_deferred_complete: bool | None = boolean(exists=ESP_VERSION < 5)
    dma: int = uint32()
    mig_cmdbuf: bytes | None = buffer(16, exists=ESP_VERSION < 5)
    mig_cmdbuf_rest: bytes | None = buffer(16, name="mig_cmdbuf", exists=ESP_VERSION < 5)
    mig_cmdlen: int | None = uint32(exists=ESP_VERSION < 5)
    do_cmd: int = uint32()
    mig_dma_left: int | None = uint32(exists=ESP_VERSION < 5)
    data_ready: bool | None = boolean(exists=ESP_VERSION >= 5)
    cmdfifo_cdb_offset: int | None = uint8(exists=ESP_VERSION >= 5)
    fifo: Fifo8 | None = struct(ESP_FIFO, exists=ESP_VERSION >= 5)
    cmdfifo: Fifo8 | None = struct(ESP_CMDFIFO, exists=ESP_VERSION >= 5)
    mig_ti_cmd: int | None = uint8(exists=(ESP_VERSION >= 5) & (ESP_VERSION <= 6))
    lun: int | None = uint8(exists=ESP_VERSION >= 6)
    drq_state: bool = boolean()
    asc_mode: int | None = uint8(exists=ESP_VERSION >= 8)


def _conditions(newest: int) -> dict[str, Any]:
    """The fields whose conditions an older release takes by its own version."""
    version = _esp_version(newest)
    return {
        "mig_ti_rptr": uint32(exists=version < 5),
        "mig_ti_wptr": uint32(exists=version < 5),
        "mig_ti_buf": buffer(16, exists=version < 5),
        "mig_deferred_status": uint32(exists=version < 5),
        "mig_deferred_complete": boolean(exists=version < 5),
        "mig_cmdbuf": buffer(16, exists=version < 5),
        "mig_cmdbuf_rest": buffer(16, name="mig_cmdbuf", exists=version < 5),
        "mig_cmdlen": uint32(exists=version < 5),
        "mig_dma_left": uint32(exists=version < 5),
        "data_ready": boolean(exists=version >= 5),
        "cmdfifo_cdb_offset": uint8(exists=version >= 5),
        "fifo": struct(ESP_FIFO, exists=version >= 5),
        "cmdfifo": struct(ESP_CMDFIFO, exists=version >= 5),
        "mig_ti_cmd": uint8(exists=(version >= 5) & (version <= 6)),
        "lun": uint8(exists=version >= 6),
    }


ESP_10_0 = variant(ESP, None, 7, **_conditions(7), asc_mode=None)
"""Without what version 8 adds. That `drq_state` is read whatever the version says, so of a stream of version 6, too."""

ESP_7_2 = variant(
    ESP,
    None,
    6,
    **(
        _conditions(6)
        | {
            "data_ready": boolean(name="data_in_ready", exists=_esp_version(6) >= 5),
            "mig_ti_cmd": uint8(name="ti_cmd", exists=(_esp_version(6) >= 5) & (_esp_version(6) <= 6)),
        }
    ),
    drq_state=None,
    asc_mode=None,
)
"""Names up to 8.1, which does not know `drq_state`."""

ESP_5_2 = variant(
    ESP,
    None,
    4,
    mig_ti_rptr=uint32(name="ti_rptr"),
    mig_ti_wptr=uint32(name="ti_wptr"),
    mig_ti_buf=buffer(16, name="ti_buf"),
    mig_deferred_status=uint32(name="deferred_status"),
    mig_deferred_complete=boolean(name="deferred_complete"),
    mig_cmdbuf=buffer(16, name="cmdbuf"),
    mig_cmdbuf_rest=buffer(16, name="cmdbuf"),
    mig_cmdlen=uint32(name="cmdlen"),
    mig_dma_left=uint32(name="dma_left"),
    data_ready=None,
    cmdfifo_cdb_offset=None,
    fifo=None,
    cmdfifo=None,
    mig_ti_cmd=None,
    lun=None,
    drq_state=None,
    asc_mode=None,
)
"""The layout of version 4, up to 5.2."""

"""The NVM Express controller, which QEMU migrates from 11.1 on.

Facts from QEMU's hw/nvme/ctrl.c, as 11.1, its -dump-vmstate text and its streams have it. Zoned namespaces, several of
them, controller memory and virtual functions keep it from migrating.
"""

from __future__ import annotations

from typing import Any

from vmstate.declare import (
    REGISTERS,
    Rule,
    VMState,
    array,
    array_of_pointer,
    asks,
    boolean,
    description,
    device,
    equal,
    fact,
    int32,
    qtailq,
    struct,
    this,
    uint8,
    uint16,
    uint32,
    uint64,
)
from vmstate.devices.nvme.ns import Atomic, Namespace
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.pci.msix import MSIX, msix_of

QUEUES = fact("nvme_queues", derived=this.conf_ioqpairs + 1)
"""The pairs of queues that the device has room for: `max_ioqpairs`, and one for the administration."""


def _are_numbered(queues: list[Any], number: str) -> bool:
    return all(getattr(queue, number) == place for place, queue in enumerate(queues) if queue is not None)


def _have_completion(submission: list[Any], completion: list[Any]) -> bool:
    return all(
        queue.cqid < len(completion) and completion[queue.cqid] is not None for queue in submission if queue is not None
    )


@description("nvme-bar", version_id=1, minimum_version_id=1)
class Bar(VMState):
    """The registers of the controller, as they lie in memory."""

    cap: int = uint64()
    vs: int = uint32()
    intms: int = uint32()
    intmc: int = uint32()
    cc: int = uint32()
    rsvd24: list[int] = array(uint8, 4, private=REGISTERS)
    csts: int = uint32()
    nssr: int = uint32()
    aqa: int = uint32()
    asq: int = uint64()
    acq: int = uint64()
    cmbloc: int = uint32()
    cmbsz: int = uint32()
    bpinfo: int = uint32()
    bprsel: int = uint32()
    bpmbl: int = uint64()
    cmbmsc: int = uint64()
    cmbsts: int = uint32()
    rsvd92: list[int] = array(uint8, 3492, private=REGISTERS)
    pmrcap: int = uint32()
    pmrctl: int = uint32()
    pmrsts: int = uint32()
    pmrebs: int = uint32()
    pmrswtp: int = uint32()
    pmrmscl: int = uint32()
    pmrmscu: int = uint32()
    css: list[int] = array(uint8, 484, private=REGISTERS)


@description("nvme-cqe", version_id=1, minimum_version_id=1)
class Cqe(VMState):
    """An entry of a completion queue."""

    result: int = uint32()
    dw1: int = uint32()
    sq_head: int = uint16()
    sq_id: int = uint16()
    cid: int = uint16()
    status: int = uint16()


@description("nvme-request-cmd-dptr-sgl", version_id=1, minimum_version_id=1)
class SglDescriptor(VMState):
    """Where the data of a command lies, as a scatter-gather list."""

    addr: int = uint64()
    len: int = uint32()
    rsvd: list[int] = array(uint8, 3, private=REGISTERS)
    type: int = uint8()


@description("nvme-request-cmd-dptr", version_id=1, minimum_version_id=1)
class DataPointer(VMState):
    """Where the data of a command lies: the same 16 bytes of the command as two pages, and as a list."""

    prp1: int = uint64()
    prp2: int = uint64()
    sgl: SglDescriptor = struct(SglDescriptor)


@description("nvme-request-cmd", version_id=1, minimum_version_id=1)
class Command(VMState):
    """A command of the guest."""

    opcode: int = uint8()
    flags: int = uint8()
    cid: int = uint16()
    nsid: int = uint32()
    res1: int = uint64()
    mptr: int = uint64()
    dptr: DataPointer = struct(DataPointer)
    cdw10: int = uint32()
    cdw11: int = uint32()
    cdw12: int = uint32()
    cdw13: int = uint32()
    cdw14: int = uint32()
    cdw15: int = uint32()


@description("nvme-request", version_id=1, minimum_version_id=1)
class Request(VMState):
    """A command that is not answered yet."""

    status: int = uint16()
    cqe: Cqe = struct(Cqe)
    cmd: Command = struct(Command)


@description("nvme-async-event-result", version_id=1, minimum_version_id=1)
class AsyncEventResult(VMState):
    """What an event says."""

    event_type: int = uint8()
    event_info: int = uint8()
    log_page: int = uint8()
    resv: int = uint8()


@description("nvme-async-event", version_id=1, minimum_version_id=1)
class AsyncEvent(VMState):
    """An event that the guest is not told yet."""

    result: AsyncEventResult = struct(AsyncEventResult)


@description("nvme-sq", version_id=1, minimum_version_id=1)
class SubmissionQueue(VMState):
    """A queue of commands."""

    sqid: int = uint16()
    cqid: int = uint16()
    head: int = uint32()
    tail: int = uint32()
    size: int = uint32()
    dma_addr: int = uint64()


@description("nvme-cq", version_id=1, minimum_version_id=1)
class CompletionQueue(VMState):
    """A queue of answers, and the requests whose answers it has no room for."""

    phase: int = uint8()
    cqid: int = uint16()
    irq_enabled: int = uint16()
    head: int = uint32()
    tail: int = uint32()
    vector: int = uint32()
    size: int = uint32()
    dma_addr: int = uint64()
    req_list: list[Request] = qtailq(Request, version=1)


@description("nvme-hbs", version_id=1, minimum_version_id=1)
class HostBehavior(VMState):
    """What the guest supports (Host Behavior Support)."""

    acre: int = uint8()
    etdas: int = uint8()
    lbafee: int = uint8()
    rsvd3: int = uint8()
    cdfe: int = uint16()
    rsvd6: list[int] = array(uint8, 506, private=REGISTERS)


@device(
    "nvme", models="vmstate.devices.nvme.models:NVME", noise={"timer": ("timestamp_set_qemu_clock_ms", "starttime_ms")}
)
@description(
    "nvme",
    version_id=1,
    minimum_version_id=1,
    rules=(
        Rule(
            "nvme-cq-number",
            asks(_are_numbered, this.cq, "cqid"),
            "a completion queue has the number of its place",
            qemu_error="inconsistent migration stream (cq->cqid != i)",
        ),
        Rule(
            "nvme-sq-number",
            asks(_are_numbered, this.sq, "sqid"),
            "a submission queue has the number of its place",
            qemu_error="inconsistent migration stream (sq->sqid != i)",
        ),
        Rule(
            "nvme-sq-completion",
            asks(_have_completion, this.sq, this.cq),
            "the completion queue that a submission queue names is there",
            qemu_error="inconsistent migration stream (n->cq[sq->cqid] is NULL)",
        ),
    ),
)
class Nvme(VMState):
    """Registers, queues, and the namespace that is in the controller."""

    parent_obj: PCIDevice = struct(PCIDevice)
    msix: MSIX = struct(msix_of("parent_obj"), name="parent_obj")
    bar: Bar = struct(Bar)
    qs_created: bool = boolean()
    page_size: int = uint32()
    page_bits: int = uint16()
    max_prp_ents: int = uint16()
    max_q_ents: int = uint32()
    outstanding_aers: int = uint8()
    irq_status: int = uint32()
    cq_pending: int = int32()
    host_timestamp: int = uint64()
    timestamp_set_qemu_clock_ms: int = uint64()
    starttime_ms: int = uint64()
    temperature: int = uint16()
    smart_critical_warning: int = uint8()
    conf_msix_qsize: int = uint32()
    conf_ioqpairs: int = uint32(
        rules=(
            equal(
                "nvme-queues",
                "conf_ioqpairs",
                "the source has room for {value} pairs of queues, the destination for {local}",
                advice="give both devices the same max_ioqpairs",
            ),
        )
    )
    dbbuf_dbs: int = uint64()
    dbbuf_eis: int = uint64()
    dbbuf_enabled: bool = boolean()
    aer_mask: int = uint8()
    aer_reqs: list[Request | None] = array_of_pointer(Request, this.outstanding_aers, marked=True)
    aer_queue: list[AsyncEvent] = qtailq(AsyncEvent, version=1)
    aer_queued: int = int32()
    namespace: Namespace = struct(Namespace)
    sq: list[SubmissionQueue | None] = array_of_pointer(SubmissionQueue, QUEUES, marked=True)
    cq: list[CompletionQueue | None] = array_of_pointer(CompletionQueue, QUEUES, marked=True)
    features_temp_thresh_hi: int = uint16(name="features.temp_thresh_hi")
    features_temp_thresh_low: int = uint16(name="features.temp_thresh_low")
    features_async_config: int = uint32(name="features.async_config")
    features_hbs: HostBehavior = struct(HostBehavior, name="features.hbs")
    dn: int = uint32()
    atomic: Atomic = struct(Atomic)

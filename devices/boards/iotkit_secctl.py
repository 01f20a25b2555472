"""The security control of Arm's IoTKit and SSE.

Facts from QEMU's hw/misc/iotkit-secctl.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, subsection, uint32


@description("iotkit-secctl-ppc", version_id=1, minimum_version_id=1)
class IotkitSecctlPpc(VMState):
    """A group of peripherals: which are for whom."""

    ns: int = uint32()
    sp: int = uint32()
    nsp: int = uint32()


@description("iotkit-secctl-mpcintstatus", version_id=1, minimum_version_id=1)
class IotkitSecctlMpcintstatus(VMState):
    """Interrupts of the memory protection."""

    mpcintstatus: int = uint32()


@description("iotkit-secctl/msc", version_id=1, minimum_version_id=1)
class IotkitSecctlMsc(VMState):
    """Interrupts of the master security controllers."""

    secmscintstat: int = uint32()
    secmscinten: int = uint32()
    nsmscexp: int = uint32()


@device("iotkit-secctl")
@description("iotkit-secctl", version_id=1, minimum_version_id=1)
class IotkitSecctl(VMState):
    """Interrupts, answers to what is refused, and the groups."""

    secppcintstat: int = uint32()
    secppcinten: int = uint32()
    secrespcfg: int = uint32()
    nsccfg: int = uint32()
    brginten: int = uint32()
    apb: list[IotkitSecctlPpc] = array(IotkitSecctlPpc, 2, version=1)
    apbexp: list[IotkitSecctlPpc] = array(IotkitSecctlPpc, 4, version=1)
    ahbexp: list[IotkitSecctlPpc] = array(IotkitSecctlPpc, 4, version=1)
    mpcintstatus: IotkitSecctlMpcintstatus | None = subsection(IotkitSecctlMpcintstatus)
    msc: IotkitSecctlMsc | None = subsection(IotkitSecctlMsc)

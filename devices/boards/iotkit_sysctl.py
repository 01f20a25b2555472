"""The system control of Arm's IoTKit and SSE.

Facts from QEMU's hw/misc/iotkit-sysctl.c.
"""

from __future__ import annotations

from vmstate.declare import Release, VMState, description, device, known_since, subsection, uint32


@description("iotkit-sysctl/sse-200", version_id=1, minimum_version_id=1)
class IotkitSysctlSse200(VMState):
    """What SSE-200 has besides; sent by it."""

    scsecctrl: int = uint32()
    fclk_div: int = uint32()
    sysclk_div: int = uint32()
    clock_force: int = uint32()
    initsvtor1: int = uint32()
    nmi_enable: int = uint32()
    pdcm_pd_sys_sense: int = uint32()
    pdcm_pd_sram0_sense: int = uint32()
    pdcm_pd_sram1_sense: int = uint32()
    pdcm_pd_sram2_sense: int = uint32()
    pdcm_pd_sram3_sense: int = uint32()


@description("iotkit-sysctl/sse-300", version_id=1, minimum_version_id=1, rules=(known_since(Release(6, 0)),))
class IotkitSysctlSse300(VMState):
    """What SSE-300 has besides; sent by it."""

    pwrctrl: int = uint32()
    pdcm_pd_cpu0_sense: int = uint32()
    pdcm_pd_vmr0_sense: int = uint32()
    pdcm_pd_vmr1_sense: int = uint32()


@device("iotkit-sysctl")
@description("iotkit-sysctl", version_id=1, minimum_version_id=1)
class IotkitSysctl(VMState):
    """Reset, where processors start, and who waits."""

    secure_debug: int = uint32()
    reset_syndrome: int = uint32()
    reset_mask: int = uint32()
    gretreg: int = uint32()
    initsvtor0: int = uint32()
    cpuwait: int = uint32()
    wicctrl: int = uint32()
    sse_200: IotkitSysctlSse200 | None = subsection(IotkitSysctlSse200)
    sse_300: IotkitSysctlSse300 | None = subsection(IotkitSysctlSse300)

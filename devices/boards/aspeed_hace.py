"""The hash and crypto engine of Aspeed's SoCs.

Facts from QEMU's hw/misc/aspeed_hace.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, host, uint32, variant


@device("aspeed.hace")
@description("aspeed.hace", version_id=2, minimum_version_id=2)
class AspeedHace(VMState):
    """Where a hash of several pieces stands; up to 10.0 the registers."""

    regs: list[int] | None = host()
    total_req_len: int = uint32()
    iov_count: int | None = host()


ASPEED_HACE_10_0 = variant(AspeedHace, None, 1, regs=array(uint32, 25), iov_count=uint32())
"""Up to 10.0 at least."""

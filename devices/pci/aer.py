"""Advanced error reporting of PCI Express, as devices carry it.

Facts from QEMU's hw/pci/pcie_aer.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, this, uint16, uint16_equal, uint32, validate, varray


@description("PCIE_AER_ERROR", version_id=1, minimum_version_id=1)
class PCIEAERErr(VMState):
    """One error."""

    status: int = uint32()
    source_id: int = uint16()
    flags: int = uint16()
    header: list[int] = array(uint32, 4)
    prefix: list[int] = array(uint32, 4)


@description("PCIE_AER_ERROR_LOG", version_id=1, minimum_version_id=1)
class PCIEAERLog(VMState):
    """The errors that wait to be reported."""

    log_num: int = uint16()
    log_max: int = uint16_equal()
    valid_log_num___log_max: None = validate(this.log_num <= this.log_max, name="log_num <= log_max")
    log: list[PCIEAERErr] = varray(PCIEAERErr, count=this.log_num)

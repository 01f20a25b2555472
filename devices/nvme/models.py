"""NVMe controllers on QEMU's command line.

Names and ids from QEMU's hw/nvme (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model, unless

NVME = (
    Model(
        "nvme",
        None,
        {
            "serial": lambda ask: "vmstate" if ask.idstr else None,
            "max_ioqpairs": unless("conf_ioqpairs", 64),
            "msix_qsize": unless("conf_msix_qsize", 65),
        },
        "drive",
    ),
)
"""The serial number is no part of the state, and QEMU wants one."""

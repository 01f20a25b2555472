"""Which transport a virtio device sits on: PCI, MMIO or CCW.

The idstr of the section tells: the path of the device begins with a PCI address, with the name of the MMIO transport,
or with a device number of the channel subsystem. Facts from QEMU's hw/pci/pci.c (pcibus_get_dev_path),
hw/virtio/virtio-mmio.c (virtio_mmio_bus_get_dev_path) and hw/s390x/css-bridge.c (virtual_css_bus_get_dev_path).
"""

from __future__ import annotations

from vmstate.vmsd.expr import IDSTR, choose, fact, matches

PCI = "pci"
MMIO = "mmio"
CCW = "ccw"

TRANSPORT = fact(
    "virtio_transport",
    (PCI, MMIO, CCW),
    derived=choose(
        matches(IDSTR, r"[0-9a-f]{4}:[0-9a-f:.]+/"),
        PCI,
        choose(
            matches(IDSTR, r"virtio-mmio@"),
            MMIO,
            choose(matches(IDSTR, r"/?[0-9a-f]+\.[0-9a-f]\.[0-9a-f]{4}/"), CCW, None),
        ),
    ),
)

"""Descriptions from, and to, QEMU's own JSON: vmdesc and -dump-vmstate."""

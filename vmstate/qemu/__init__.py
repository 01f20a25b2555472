"""One QEMU for lab, fuzz and early: a program never left behind, its monitor, its guest's memory, the provenance."""

"""One QEMU for lab, fuzz and early: a program that is never left behind, its monitor, its guest's memory, provenance."""

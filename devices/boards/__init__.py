"""Devices of boards and their systems on a chip, each under the name of the file of QEMU's that has it."""

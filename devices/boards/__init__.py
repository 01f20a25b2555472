"""Devices of boards: a family of SoCs in one module, the rest under the name of the file of QEMU's that has it."""

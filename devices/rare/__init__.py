"""Devices that few streams hold, each under the name of the file of QEMU's that has it."""

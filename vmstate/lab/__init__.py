"""Real QEMU in the loop: run machines, save them to streams, load streams into them, speak their migration protocol.

Needs the package qemu.qmp: pip install 'qemu-vmstate[lab]'.
"""

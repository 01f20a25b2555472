"""Other programs that read a machine's memory, on whatever `vmstate.load` opens: volatility3 and drgn.

Both are packages of their own (`pip install 'qemu-vmstate[forensics]'`): nothing here is imported by the rest.
"""

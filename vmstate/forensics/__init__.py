"""Other programs that read a machine's memory, on whatever `vmstate.load` opens: volatility3 and drgn.

Both are packages of their own (`pip install 'qemu-vmstate[forensics]'`): nothing here is imported by the rest.
"""

from __future__ import annotations

import os

from vmstate.errors import VMStateError
from vmstate.saved.loading import closed_by_failure
from vmstate.saved.memory import load_for_memory, modules_of
from vmstate.saved.opening import Input
from vmstate.saved.ram_out import refuse_left_out
from vmstate.stream.memory import GuestMemory
from vmstate.stream.stream import Stream

FILES = "VMSTATE_MEMORY"
"""The variable that names the files of shared memory (x-ignore-shared), ID=FILE, with commas between them."""

PLACES = "VMSTATE_AT"
"""The one that says where memory modules stand: ID=ADDRESS."""


def opened_memory(file: str) -> tuple[Stream, GuestMemory]:
    """A saved machine and its memory, with what the variables say. Raises `VMStateError`: also where the stream leaves
    memory out and its file is not named.
    """
    stream = load_for_memory(file)
    assert isinstance(stream.input, Input)
    with closed_by_failure(stream.input):
        try:
            places = {name: int(address, 0) for name, address in _told(PLACES).items()}
        except ValueError:
            raise VMStateError(f"{PLACES} tells no address", expected="ID=ADDRESS", found=os.environ[PLACES]) from None
        memory = stream.memory(files=_told(FILES), placed={**modules_of(stream), **places})
        refuse_left_out(stream, memory)
    return stream, memory


def _told(variable: str) -> dict[str, str]:
    pairs = (each.rpartition("=") for each in os.environ.get(variable, "").split(",") if each)
    return {name: value for name, _, value in pairs}

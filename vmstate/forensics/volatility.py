"""volatility3 on anything that `vmstate.load` opens: streams, save images of libvirt, snapshots in qcow2 images, ...

    vmstate-vol -f guest.save banners.Banners
    vmstate-vol -f disk.qcow2@one linux.pslist.PsList

`vmstate-vol` is volatility3's own command line with the layer of this module. The layer is the machine's physical
memory. What the machine has no memory at is not valid, and is zeros where a plugin asks for padding; so is a page that
the file does not hold. With volatility3's own `vol` it is a plugin (`examples/volatility3`), where VMSTATE_SNAPSHOT
names a snapshot, or the offset at which a stream begins. VMSTATE_MEMORY and VMSTATE_AT are for both
(`vmstate.forensics`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from typing import Any

from volatility3.framework import constants, exceptions, interfaces
from volatility3.framework.configuration import requirements

from vmstate.errors import VMStateError, one_line
from vmstate.forensics import opened_memory
from vmstate.saved.opening import FORMS, HOLDS_A_STREAM

_logger = logging.getLogger(__name__)

PART = "VMSTATE_SNAPSHOT"
"""The variable that names a snapshot, or the offset of a stream: a file's name cannot say it here."""

HEADS = (*HOLDS_A_STREAM, *FORMS)
"""How the files begin that are opened."""


class VmstateLayer(interfaces.layers.DataLayerInterface):
    """Physical memory of a saved QEMU machine."""

    def __init__(self, context: Any, config_path: str, name: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(context=context, config_path=config_path, name=name, metadata=metadata)
        self._file = self.config["file"]
        self._open()

    def _open(self) -> None:
        self._stream, self._memory = opened_memory(self._file)
        self._ranges = [(each.address, each.address + each.size) for each in self._memory.ranges]
        if not self._ranges:
            raise VMStateError("where the machine has its memory is not known")

    @property
    def minimum_address(self) -> int:
        """The first address of memory."""
        return self._ranges[0][0]

    @property
    def maximum_address(self) -> int:
        """The last address of memory."""
        return self._ranges[-1][1] - 1

    def is_valid(self, offset: int, length: int = 1) -> bool:
        """Whether the machine has memory there, all of it in one range."""
        return any(start <= offset and offset + length <= end for start, end in self._ranges)

    def read(self, offset: int, length: int, pad: bool = False) -> bytes:
        """Bytes from an address on."""
        try:
            return self._memory.read(offset, length)
        except VMStateError as error:
            if not pad:
                raise exceptions.InvalidAddressException(self.name, offset, str(error)) from None
        # Page by page, with zeros for what is not there.
        out, size = bytearray(), self._memory.page_size
        while length > 0:
            count = min(length, size - offset % size)
            try:
                out += self._memory.read(offset, count)
            except VMStateError:
                out += bytes(count)
            offset, length = offset + count, length - count
        return bytes(out)

    def write(self, offset: int, data: bytes) -> None:
        """Nothing is written."""
        raise NotImplementedError("a saved machine is not written to")

    def _scan_iterator(self, scanner: Any, sections: Iterable[tuple[int, int]]) -> Iterable[Any]:
        inside = [
            (max(start, first), min(start + length, end) - max(start, first))
            for start, length in sections
            for first, end in self._ranges
            if max(start, first) < min(start + length, end)
        ]
        values: Iterable[Any] = super()._scan_iterator(scanner, inside)
        return values

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_stream", "_memory")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def destroy(self) -> None:
        """Close the file."""
        self._stream.close()

    @classmethod
    def get_requirements(cls) -> list[Any]:
        """The file."""
        return [requirements.StringRequirement(name="file", description="file of the saved machine", optional=False)]


class VmstateStacker(interfaces.automagic.StackerLayerInterface):
    """Puts the layer on a file that is a saved machine, before volatility3's own for QEMU looks at it."""

    stack_order = 5

    @classmethod
    def stack(
        cls, context: Any, layer_name: str, progress_callback: constants.ProgressCallback = None
    ) -> VmstateLayer | None:
        """The layer; None for a file that is something else."""
        layer = context.layers[layer_name]
        try:
            head = layer.read(0, 16)
            path = layer.location.removeprefix("file://")
        except (exceptions.InvalidAddressException, AttributeError):
            return None
        snapshot = os.environ.get(PART)
        # Behind zeros a stream is found, too.
        if not os.path.exists(path) or (any(head) and not (snapshot or head.startswith(HEADS))):
            return None
        name = context.layers.free_layer_name("VmstateLayer")
        context.config[interfaces.configuration.path_join(name, "file")] = f"{path}@{snapshot}" if snapshot else path
        try:
            return VmstateLayer(context, name, name)
        except VMStateError as error:
            if any(head):
                _logger.warning("%s", one_line(str(error)))
            return None

"""The hash page table of a `pseries` guest, sent while it runs.

Facts from QEMU's hw/ppc/spapr.c (htab_save_setup, htab_save_chunk, htab_load).
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, description, device, int32, keyed_list, this, uint64, vbuffer

ENTRY = 16
"""Bytes of an entry of the table."""


@description("spapr/htab/chunk")
class HashTableChunk(VMState):
    """Entries one behind the other: `head` is the first's number << 32 | those valid << 16 | those invalid behind."""

    head: int = uint64()
    entries: bytes = vbuffer((this.head >> 16) & 0xFFFF, multiply=ENTRY, private=CONTENTS)


@device("spapr/htab", old_style=True, listed=False)
@description("spapr/htab", version_id=1, minimum_version_id=1)
class HashTable(VMState):
    """A part of the stream of the table.

    `shift` comes first: the binary logarithm of its bytes; -1 where the guest has none (radix); 0 in the parts behind.
    """

    shift: int = int32()
    chunks: list[HashTableChunk] | None = keyed_list(HashTableChunk, key=uint64, exists=this.shift == 0)

"""The translation tables of pseries: version 3 has a field that version 2 has not, and both are taken."""

from __future__ import annotations

import struct

import pytest

from vmstate.stream.registry import shipped_descriptions

TABLE = struct.pack(">II?3Q", 0x80000000, 3, True, 0, 7, 0)


@pytest.mark.parametrize(("version", "payload", "def_win"), [(2, TABLE, None), (3, TABLE + b"\1", True)])
def test_both_versions_are_read(version: int, payload: bytes, def_win: bool | None) -> None:
    (vmsd,) = shipped_descriptions("spapr_iommu")
    table = vmsd.decode(payload, version_id=version)
    assert (table.liobn, list(table.mig_table), table.bypass, table.def_win) == (0x80000000, [0, 7, 0], True, def_win)
    assert vmsd.encode(table, version_id=version) == payload

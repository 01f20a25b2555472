"""volatility3 and drgn on what a machine is kept in, where they are installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from saved_files import plain

from vmstate import load

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(folder: str, name: str) -> Any:
    """The module of an example."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize(("file", "part"), [("libvirt-9.0-save-lzop.save", ""), ("savevm-7.2.qcow2", "two")])
def test_volatility_reads_what_we_read(file: str, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contexts = pytest.importorskip("volatility3.framework.contexts", reason="pip install volatility3")
    from volatility3.framework import exceptions
    from volatility3.framework.layers import physical

    path = tmp_path / file
    path.write_bytes(plain(file))
    monkeypatch.setenv("VMSTATE_SNAPSHOT", part)
    context = contexts.Context()
    context.config["base.location"] = f"file://{path}"
    context.add_layer(physical.FileLayer(context, "base", "base"))
    layer = example("volatility3", "vmstate_layer").VmstateStacker.stack(context, "base")
    with load(f"{path}@{part}" if part else str(path)) as stream:
        memory = stream.memory()
        (inside,) = memory.ranges
        for address in range(0, inside.size, 4096):
            assert layer.read(address, 4096) == memory.read(address, 4096)
    end = inside.size
    assert (layer.minimum_address, layer.maximum_address) == (0, end - 1)
    assert layer.is_valid(end - 1) and not layer.is_valid(end - 1, 2)
    assert layer.read(end - 8, 16, pad=True) == layer.read(end - 8, 8) + bytes(8)
    with pytest.raises(exceptions.InvalidAddressException):
        layer.read(end - 8, 16)


@pytest.mark.slow
def test_drgn_asks_for_a_linux_guest(tmp_path: Path) -> None:
    pytest.importorskip("drgn", reason="pip install drgn")
    from vmstate.errors import VMStateError

    module = example("drgn", "vmstate_drgn")
    with pytest.raises(VMStateError, match="no VMCOREINFO in memory"):
        module.program_of("fixtures/saved/mapped-10.0.file.xz")

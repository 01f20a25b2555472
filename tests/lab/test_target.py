"""A destination from its command line: how many QEMUs that takes, and what they say of the features they offer."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from machines import BARE, ROOTS, needs_qemu, qemu_of

import vmstate.lab.features
from vmstate.lab.features import features_by_fresh_machines
from vmstate.lab.target import target_of
from vmstate.qemu.process import Process

pytestmark = [pytest.mark.qemu, pytest.mark.slow, needs_qemu]

DEVICES = """
-netdev user,id=n0 -device virtio-net-pci,netdev=n0,romfile=,mac=52:54:00:12:34:56
-blockdev null-co,node-name=d0,read-zeroes=on -device virtio-blk-pci,drive=d0
-device virtio-balloon-pci -device virtio-rng-pci -device virtio-serial-pci
"""
ARGV = [*BARE, "-m", "16", *shlex.split(DEVICES)]
RELEASES = [pytest.param(None, id="system"), *(pytest.param(root, id=Path(root).name) for root in ROOTS)]
KINDS = {"virtio-net", "virtio-blk", "virtio-balloon", "virtio-rng", "virtio-console"}


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines of the programs that are started meanwhile."""
    commands: list[list[str]] = []
    start, run = Process.__init__, subprocess.run

    def noted_start(process: Process, command: list[str], **known: Any) -> None:
        commands.append(list(command))
        start(process, command, **known)

    def noted_run(command: list[str], **known: Any) -> Any:
        commands.append(list(command))
        return run(command, **known)

    monkeypatch.setattr(Process, "__init__", noted_start)
    monkeypatch.setattr(subprocess, "run", noted_run)
    return commands


@pytest.mark.parametrize("root", RELEASES)
def test_all_features_are_asked_of_one_qemu(root: str | None, starts: list[list[str]], tmp_path: Path) -> None:
    """One that is saved and asked, and one for -dump-vmstate; fresh ones say the same of each device."""
    qemu = qemu_of(root)
    target = target_of(ARGV, qemu=qemu)
    assert [("-dump-vmstate" in command) for command in starts] == [False, True]
    assert {section.rpartition("/")[2] for section, _ in target.host_features} == KINDS
    assert target.stream is not None
    assert features_by_fresh_machines([*ARGV, "-S"], target.stream, str(tmp_path), qemu=qemu) == target.host_features
    assert len(starts) == 2 + len(KINDS)


def test_a_machine_that_takes_no_snapshot_is_asked_by_fresh_ones(
    starts: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 6.0 loadvm wants a snapshot in each disk."""
    features = target_of(ARGV).host_features
    monkeypatch.setattr(vmstate.lab.features, "JOB_SINCE", (99, 0))
    starts.clear()
    assert target_of(ARGV).host_features == features
    assert len(starts) == 2 + len(KINDS)

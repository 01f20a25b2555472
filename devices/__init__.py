"""The device library shipped with vmstate: descriptions of QEMU's devices."""

from __future__ import annotations

INDEX: dict[str, tuple[str, ...]] = {}
"""Last part of an idstr -> the places of its descriptions, the newest layout first."""

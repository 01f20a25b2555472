"""The layer of `vmstate-vol` for volatility3's own command: vol -p examples/volatility3 -f FILE banners.Banners."""

from vmstate.forensics.volatility import VmstateLayer, VmstateStacker

__all__ = ["VmstateLayer", "VmstateStacker"]

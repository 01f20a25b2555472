"""The properties that two machine types set otherwise, behind what a load fails over.

QEMU gives the devices of an older machine type the values that they had then (compat-props of query-machines, 9.1 and
later). Of a section that differs where the machine types do, those that belong to its device are named, and what makes
the destination's as the source's: `-global DRIVER.PROPERTY=VALUE`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmstate.compare.explained import Explained
from vmstate.compare.findings import COSMETIC
from vmstate.stream.registry import comparison_of, last_part

CompatProperties = Mapping[str, tuple[tuple[str, str, str], ...]]
"""Machine type -> (type of device, property, value) that it sets, in the order in which QEMU does; the last counts."""

MOST_NAMED = 4
"""Properties that one finding names."""

_OF_ALL_PCI = ("pcidevice", "virtiopci")
_OF_VIRTIO = ("virtiodevice",)
_SUFFIXES = ("", "device", "pci", "ccw", "pcitransitional", "pcinontransitional", "base", "common")
_ALIASES = {
    "virtioconsole": ("virtioserial",),
    "pcierootport": ("basepcibridge", "pcibridge", "pcieslot", "pcieport"),
    "ich9ahci": ("ahci",),
    "xhci": ("necusbxhci", "qemuxhci", "basexhci"),
    "vga": ("vgapci", "isavga"),
}
"""Names of devices in idstrs whose type is called otherwise, all in letters and digits alone."""

_OF_CAPABILITY = {
    "MSI-X": ("vectors",),
    "AER": ("x-pcie-err-unc-mask", "aer"),
    "ARI": ("x-pcie-ari-nextfn-1",),
    "ATS": ("ats",),
    "Power Management": ("x-pcie-pm-init", "x-pcie-pm-no-soft-reset"),
    "PCI Express": (
        "x-pcie-ext-tag",
        "x-pcie-flr-init",
        "x-speed",
        "x-width",
        "x-pcie-lnkctl-init",
        "x-pcie-deverr-init",
    ),
}
"""A capability of PCI -> the properties that show in it."""


def with_properties(
    findings: tuple[Explained, ...], properties: CompatProperties, saving: str | None, loading: str | None
) -> tuple[Explained, ...]:
    """The findings, with the properties behind them in their advice, of a stream of one machine type and a destination
    of another one."""
    if saving is None or loading is None or saving == loading or not {saving, loading} <= properties.keys():
        return findings
    values = [{(kind, name): value for kind, name, value in properties[machine]} for machine in (saving, loading)]
    made = []
    for finding in findings:
        options, others = _behind(finding, *values) if finding.severity != COSMETIC else ([], [])
        if options:
            named = " ".join(options[:MOST_NAMED])
            otherwise = f"which {saving} has and {loading} has not, or with -machine {saving}"
            advice = f"start the destination with {named}, {otherwise}"
            finding = Explained(**{**vars(finding), "advice": advice})
        elif others:
            advice = f"{loading} has {', '.join(others[:MOST_NAMED])}, and {saving} has not; {finding.advice or ''}"
            finding = Explained(**{**vars(finding), "advice": advice.removesuffix("; ")})
        made.append(finding)
    return tuple(made)


def _behind(
    finding: Explained, saved: Mapping[tuple[str, str], str], loaded: Mapping[tuple[str, str], str]
) -> tuple[list[str], list[str]]:
    """The options that make the device of a finding as the source's, and what the destination's machine type sets.

    What can only be meant goes before what may be; of a device that has several types the shortest name is told.
    """
    if finding.section is None:
        return [], []
    idstr = finding.section.partition("#")[0]
    types, wanted = _types_of(idstr), set(_names_wanted(finding, idstr))
    keys = [key for key in dict.fromkeys((*saved, *loaded)) if saved.get(key) != loaded.get(key)]
    keys = sorted((key for key in keys if _letters(key[0]) in types), key=lambda key: len(key[0]))
    sure = [key for key in keys if key[1] in wanted]
    if not sure and finding.rule in ("feature", "feature-offered"):
        return [], []
    named: dict[str, tuple[str, str]] = {}
    for key in sure or [key for key in keys if _letters(key[0]) not in (*_OF_ALL_PCI, *_OF_VIRTIO)]:
        named.setdefault(key[1], key)
    options = [f"-global {kind}.{name}={saved[kind, name]}" for kind, name in named.values() if (kind, name) in saved]
    others = [f"{kind}.{name}={loaded[kind, name]}" for kind, name in named.values() if (kind, name) not in saved]
    return options, others


def _names_wanted(finding: Explained, idstr: str) -> Iterator[str]:
    """The properties that a finding can only be about, as far as it says."""
    features = comparison_of(idstr).features
    for bit, name in {} if features is None else features.properties.items():
        if features is not None and features.names.get(bit, "?") in finding.message:
            yield name
    if finding.rule == "pci-config":
        for capability, names in _OF_CAPABILITY.items():
            if f"{capability} capability" in finding.message or f"has the capability {capability}" in finding.message:
                yield from names
    elif finding.path is not None:
        yield finding.path.rpartition(".")[2]


def _types_of(idstr: str) -> set[str]:
    """The types of device, in letters and digits alone, that a section can be of."""
    kind = _letters(last_part(idstr))
    names = (kind, *_ALIASES.get(kind, ()))
    types = {name + suffix for name in names for suffix in _SUFFIXES}
    if "/" in idstr:
        types |= set(_OF_ALL_PCI)
    return types | set(_OF_VIRTIO) if kind.startswith("virtio") else types


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())

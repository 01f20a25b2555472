"""The `pseries` machine: the levels of its capabilities, which a destination takes up to its own.

Facts from QEMU's hw/ppc/spapr_caps.c (spapr_caps_post_migration) and hw/ppc/spapr.c (default_caps).
"""

from __future__ import annotations

import re

from vmstate.declare import Release, undescribed
from vmstate.vmsd.destination import Comparison, Level

PAGES = 16
"""The bits of the largest page of the hash table that a machine type from 3.0 on allows."""

OLDER_PAGES = 34
"""Those of pseries-2.12 and older."""

_VERSION = re.compile(r"pseries-(\d+\.\d+)")


def _of_switch(value: int, _: str | None) -> int:
    """A switch is sent where it is not as usual."""
    return 0 if value else 1


def _is_from(machine: str | None, release: Release) -> bool:
    version = _VERSION.match(machine or "")
    return version is None or Release.read(version[1]) >= release


def _of_mitigation(_: int, machine: str | None) -> int:
    """Mitigations (cfpc, sbbc, ibs) are "workaround" from pseries-4.0 on, before that "broken"; but for -sxxm."""
    return 1 if _is_from(machine, Release(4, 0)) or (machine or "").endswith("-sxxm") else 0


def _of_branches(value: int, machine: str | None) -> int:
    """The same for ibs, of which -sxxm has "fixed-ccd"."""
    return 3 if (machine or "").endswith("-sxxm") else _of_mitigation(value, machine)


def _of_pages(_: int, machine: str | None) -> int:
    return PAGES if _is_from(machine, Release(3, 0)) else OLDER_PAGES


LEVELS = {
    f"spapr/cap/{sent}": Level(f"cap-{name}", usual)
    for sent, name, usual in (
        ("htm", "htm", _of_switch),
        ("vsx", "vsx", _of_switch),
        ("dfp", "dfp", _of_switch),
        ("cfpc", "cfpc", _of_mitigation),
        ("sbbc", "sbbc", _of_mitigation),
        ("ibs", "ibs", _of_branches),
        ("hpt_maxpagesize", "hpt-max-page-size", _of_pages),
        ("nested_kvm_hv", "nested-hv", _of_switch),
        ("large_decr", "large-decr", _of_switch),
        ("ccf_assist", "ccf-assist", _of_switch),
        ("fwnmi", "fwnmi", _of_switch),
        ("rpt_invalidate", "rpt-invalidate", _of_switch),
        ("ail_mode_3", "ail-mode-3", _of_switch),
        ("nested_papr", "nested-papr", _of_switch),
        ("dawr1", "dawr1", _of_switch),
    )
}
"""In the order in which QEMU looks at them: the name in the subsection, that of the property behind `cap-`."""

SPAPR = undescribed("spapr", listed=False, compares=Comparison(levels=LEVELS))

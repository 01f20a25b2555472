"""What early migration does at the stop, against the whole section in compiled construct and in vmstate, in one run.

    python benchmarks/bench_early.py [--runs N] [--json OUT]

The card has four queue pairs on PCI. The sides are interleaved; each is the fastest of five, each figure a median, each
ratio the median of the ratios of neighbouring runs.

  compare    a state that has not changed, against the snapshot
  apply      the record of that, from its bytes into the destination's early state
  changed    a state with scaling switched on, against the snapshot, and its record
  section    decode and encode of the whole section in vmstate
  construct  the same in compiled construct
"""

from __future__ import annotations

import argparse
import json
import lzma
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "benchmarks"))

from bench_virtio import declared_in_construct, fastest  # noqa: E402

import vmstate  # noqa: E402
from vmstate.declare import facts_of  # noqa: E402
from vmstate.early import ItemClass, PerItem, Snapshot  # noqa: E402

PAIR = ROOT / "fixtures" / "pairs"
EARLY, FINAL = (PAIR / f"qemu-11.1-mq4-rss-on-{moment}.mig.xz" for moment in ("early", "final"))
AGAINST_CONSTRUCT, AGAINST_OWN = 50, 3
"""How many times cheaper comparing and applying must be than the whole section in construct, and in vmstate."""


def card(file: Path) -> vmstate.Section:
    """The section of the card in a stream."""
    return vmstate.load(lzma.decompress(file.read_bytes()))["virtio-net"]


def measure(runs: int) -> dict[str, list[float]]:
    """Seconds of each side, run by run."""
    early, final = card(EARLY), card(FINAL)
    vmsd, facts, data = early.vmsd, facts_of(early.state), early.payload()
    assert vmsd is not None
    snapshot = Snapshot.take(early.state)
    unchanged = vmsd.decode(data, facts=facts)
    record = PerItem().plan(snapshot.compare(unchanged)).record
    state = snapshot.decode()
    assert vmsd.encode(snapshot.apply(record, state)) == data
    layout = declared_in_construct(early.state)
    assert layout.build(layout.parse(data)) == data

    def changed() -> bytes:
        delta = snapshot.compare(final.state)
        return delta.record(name for name in delta.changed if snapshot.table[name].cls is not ItemClass.ALWAYS)

    sides = {
        "compare": lambda: snapshot.compare(unchanged).changed,
        "apply": lambda: snapshot.apply(record, state),
        "changed": changed,
        "section": lambda: vmsd.encode(vmsd.decode(data, facts=facts)),
        "construct": lambda: layout.build(layout.parse(data)),
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, work in sides.items():
            times[name].append(fastest(work))
    return times


def sizes() -> dict[str, int]:
    """Bytes: of the section, of the snapshot that is kept, of what is sent early, and of the records."""
    early, final = card(EARLY), card(FINAL)
    snapshot = Snapshot.take(early.state)
    plan = PerItem()
    return {
        "section": len(snapshot.data),
        "snapshot": len(snapshot.data),
        "early section": len(snapshot.to_early_bytes()),
        "record without change": plan.plan(snapshot.compare(early.state)).bytes,
        "record with scaling on": plan.plan(snapshot.compare(final.state)).bytes,
    }


def main() -> int:
    """Measure, print a table, write JSON; 1 where comparing or applying costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", metavar="OUT", type=Path)
    options = parser.parse_args()
    measured = measure(options.runs)
    rows: list[dict[str, Any]] = []
    print(f"{'':<10}{'µs':>10}{'construct':>14}{'vmstate':>14}")
    for name, times in measured.items():
        row: dict[str, Any] = {"figure": name, "us": 1e6 * statistics.median(times)}
        for side in ("construct", "section"):
            row[f"{side}_times"] = statistics.median(
                whole / part for whole, part in zip(measured[side], times, strict=True)
            )
        rows.append(row)
        print(f"{name:<10}{row['us']:>10.1f}{row['construct_times']:>13.1f}x{row['section_times']:>13.1f}x")
    bytes_of = sizes()
    for name, size in bytes_of.items():
        print(f"{name:<24}{size:>8} bytes")
    kept = all(
        row["construct_times"] >= AGAINST_CONSTRUCT and row["section_times"] >= AGAINST_OWN
        for row in rows
        if row["figure"] in ("compare", "apply")
    )
    print(f"at least {AGAINST_CONSTRUCT} times construct and {AGAINST_OWN} times vmstate: {'yes' if kept else 'no'}")
    if options.json is not None:
        facts = {"python": sys.version.split()[0], "runs": options.runs, "rows": rows, "bytes": bytes_of, "kept": kept}
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

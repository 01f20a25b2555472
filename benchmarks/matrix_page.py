"""The page docs/matrix.md: who loads where among four releases, two families of machine types and sets of devices.

    python benchmarks/matrix_page.py --roots ROOT:ROOT:ROOT --seed TEXT -o docs/matrix.md

Each release has three machine types of each family and four sets of devices, and each of these machines is a source
and a destination (vmstate.fleet.matrix). Of all cells `--cells` are drawn, half of them among those whose machine types
are the same, since the others fail by that alone; each is answered by `explain` and by a load into the real QEMU. The
page has both, what the first cause was, and how often `explain` was right. The cells go to --rows as lines of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from repair_accuracy import qemus_in

from vmstate.errors import VMStateError, one_line
from vmstate.files import write_atomic
from vmstate.fleet.matrix import Lab, Side, explained, sides_of
from vmstate.lab.incoming import QemuDestination
from vmstate.lab.statistics import wilson

PROGRAM = "qemu-system-x86_64"
TYPES = {
    "5.2": ("4.2", "5.1", "5.2"),
    "7.2": ("5.2", "6.2", "7.2"),
    "10.0": ("5.2", "7.2", "10.0"),
    "11.1": ("7.2", "10.0", "11.1"),
}
"""Release -> the versions of the machine types that it is tried with."""
FAMILIES = ("pc-i440fx", "pc-q35")
DISK = "-drive if=none,id=d0,driver=null-co,read-zeroes=on,size=64M"
NET = "-netdev user,id=n0\n-device virtio-net-pci,netdev=n0,addr=4,romfile="
CARD = "-netdev user,id=n0\n-device e1000,netdev=n0,addr=4,romfile="
SOUND = "-audiodev none,id=s\n-device hda-duplex,bus=h.0,audiodev=s"
SETS = {
    "bare": "",
    "virtio": f"{NET}\n{DISK}\n-device virtio-blk-pci,drive=d0,addr=5\n-device virtio-serial-pci,addr=6\n"
    "-device virtio-balloon-pci,addr=7\n",
    "virtio-2": f"{NET},vectors=3,mrg_rxbuf=off\n{DISK}\n"
    "-device virtio-blk-pci,drive=d0,addr=5,num-queues=4,vectors=3\n"
    "-device virtio-serial-pci,addr=6,max_ports=64\n-device virtio-balloon-pci,addr=7,deflate-on-oom=on\n",
    "classic": f"{CARD}\n{DISK}\n-device ahci,id=a,addr=5\n-device ide-hd,bus=a.0,drive=d0\n"
    "-device qemu-xhci,id=x,addr=6\n-device usb-tablet,bus=x.0\n-device VGA,addr=7,romfile=\n",
    "classic-2": f"{CARD.replace('e1000', 'e1000-82545em')}\n{DISK}\n-device ahci,id=a,addr=5\n"
    "-device ide-hd,bus=a.1,drive=d0\n"
    "-device qemu-xhci,id=x,addr=6,p2=8,p3=8\n-device usb-tablet,bus=x.0\n-device VGA,addr=7,romfile=,vgamem_mb=8\n",
    "seats": "-device virtio-gpu-pci,addr=4\n-device virtio-keyboard-pci,addr=5\n-device intel-hda,id=h,addr=6\n"
    f"{SOUND}\n-device virtio-rng-pci,addr=7\n",
    "seats-2": "-device virtio-gpu-pci,addr=4,max_outputs=2\n-device virtio-tablet-pci,addr=5\n"
    f"-device intel-hda,id=h,addr=6,msi=off\n{SOUND},mixer=off\n-device virtio-rng-pci,addr=7\n",
}
"""Sets of devices; those whose names end in -2 are the same devices with other properties."""
LIMIT = 60.0


def sides_in(places: dict[str, list[str | None]], folder: str) -> Iterator[tuple[tuple[str, str, str], Side]]:
    """(release, machine type, set) and the machine, each started once."""
    for name, text in SETS.items():
        Path(folder, name).write_text(text, encoding="utf-8")
    lab = Lab(folder, LIMIT)
    for release, versions in TYPES.items():
        place = places[release][0] or PROGRAM
        for family in FAMILIES:
            for version in versions:
                for name in SETS:
                    machine = f"{family}-{version}"
                    [side] = sides_of(f"{place}:{machine}+{Path(folder, name)}", lab)
                    yield (release, machine, name), side


def drawn(keys: Sequence[tuple[str, str, str]], count: int, seed: str) -> list[tuple[Any, Any]]:
    """Cells: half with the same machine type on both sides, the others of all."""
    random = Random(seed)
    pairs = [(source, destination) for source in keys for destination in keys]
    alike = [pair for pair in pairs if pair[0][1] == pair[1][1]]
    first = random.sample(alike, min(count // 2, len(alike)))
    taken = set(first)
    return [*first, *random.sample([pair for pair in pairs if pair not in taken], count - len(first))]


def loaded(source: Side, destination: Side) -> tuple[str, str]:
    """What a real QEMU does, and all that it says."""
    assert source.stream is not None and destination.argv is not None
    with QemuDestination(source.stream, destination.argv, qemu=destination.qemu, limit=LIMIT) as machine:
        outcome = machine.feed()
        return ("loads" if outcome.accepted else "fails"), f"{outcome.error or ''}\n{machine.machine.output}"


def row_of(keys: tuple[Any, Any], source: Side, destination: Side) -> dict[str, Any]:
    """A cell, answered in both ways."""
    cell = explained(source, destination)
    verdict, words = loaded(source, destination)
    return {
        "source": keys[0],
        "destination": keys[1],
        "explained": cell.verdict,
        "rule": cell.rule,
        "line": cell.line,
        "really": verdict,
        "right": cell.verdict == verdict,
        "line_right": None if verdict == "loads" else cell.line is not None and cell.line in words,
        "words": one_line(words)[:500],
    }


def page(rows: Sequence[dict[str, Any]], sides: int, seed: str, minutes: float) -> Iterator[str]:
    """The lines of the page."""
    failing = [row for row in rows if row["really"] == "fails"]
    right = sum(row["right"] for row in rows)
    lines = sum(row["line_right"] is True for row in failing)
    versions = "; ".join(f"{release} with {', '.join(names)}" for release, names in TYPES.items())
    command = f"--seed {seed} --cells {len(rows)} -o docs/matrix.md"
    yield f"""# Who loads where: four releases of QEMU

This page is made by one command:

```sh not-in-tests
python benchmarks/matrix_page.py --roots ROOT:ROOT:ROOT {command}
```

QEMU {versions}, of `pc-i440fx` and `pc-q35` each,
and {len(SETS)} sets of devices: {sides} machines, each a source and a destination of
[`vmstate matrix`](fleet.md#who-loads-where-vmstate-matrix). Of the {sides * sides} cells {len(rows)} were drawn, half
of them among those with the same machine type on both sides. Each was answered by `explain` and by a load into the real
QEMU, in {minutes:.0f} minutes on a machine with other work.

| | |
|---|---|
| cells that a real QEMU refuses | {_share(len(failing), len(rows))} |
| the verdict of `explain` is that of the real load | {_share(right, len(rows))} |
| the line that it foretells is among those that QEMU prints | {_share(lines, len(failing))} |

Intervals are those of Wilson, 95 %. The machines have not run; what a guest's driver has accepted is measured in
[explain](explain.md#how-often-it-is-right). The tables say how many of the cells that were drawn load in a real QEMU.

The sets of devices: {"; ".join(f"`{name}`: {_devices(text)}" for name, text in SETS.items() if name[-1] != "2")}.
Those whose names end in -2 are the same devices with other properties."""
    same = [row for row in rows if row["source"][1] == row["destination"][1]]
    for title, names, place, group in (
        (
            "The same machine type and devices",
            TYPES,
            0,
            [row for row in same if row["source"][2] == row["destination"][2]],
        ),
        ("The same machine type", SETS, 2, same),
        ("All cells", TYPES, 0, rows),
    ):
        yield f"\n## {title}\n"
        yield from table(names, [(row["source"][place], row["destination"][place], row["really"]) for row in group])
    yield "\n## First causes\n\n| rule | cells | line right |\n|---|---|---|"
    for rule, count in Counter(row["rule"] or "none" for row in failing).most_common():
        told = sum(row["line_right"] is True for row in failing if (row["rule"] or "none") == rule)
        yield f"| `{rule}` | {count} | {told} |"
    wrong = [row for row in rows if not row["right"] or row["line_right"] is False]
    yield "\n## What is not right\n" + ("" if wrong else "\nNothing of these.")
    for row in wrong:
        where = " to ".join(" ".join(row[side]) for side in ("source", "destination"))
        said = re.sub(r"[|`*<>\[\]]", " ", row["words"])[:160]
        yield f"* {where}: `explain` says {row['explained']}, QEMU {row['really']}: {said.strip() or 'nothing'}"


def _devices(text: str) -> str:
    """The devices of a set."""
    names = re.findall(r"-device ([\w-]+)", text)
    return ", ".join(names) or "none"


def table(names: Iterable[str], cells: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """How many load of those that were drawn, by source and destination."""
    names = list(names)
    yield "| from \\ to | " + " | ".join(names) + " |"
    yield "|---|" + "---|" * len(names)
    for source in names:
        told = []
        for destination in names:
            group = [verdict for first, second, verdict in cells if (first, second) == (source, destination)]
            told.append(f"{group.count('loads')} of {len(group)}" if group else "")
        yield f"| {source} | " + " | ".join(told) + " |"


def _share(count: int, total: int) -> str:
    low, high = wilson(count, total)
    return f"{count} of {total}: {100 * count / max(total, 1):.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def main() -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--roots", default=os.environ.get("VMSTATE_QEMU_ROOTS", ""))
    parser.add_argument("--seed", required=True)
    parser.add_argument("--cells", type=int, default=800)
    parser.add_argument("--rows", help="the cells, a line of JSON each")
    parser.add_argument("-o", "--output", required=True)
    options = parser.parse_args()
    begun = time.monotonic()
    rows = []
    places = qemus_in(filter(None, options.roots.split(":")))
    if missing := [release for release in TYPES if release not in places]:
        raise SystemExit(f"no QEMU {', '.join(missing)}: --roots names roots with them")
    with tempfile.TemporaryDirectory(prefix="vmstate-") as folder:
        sides = dict(sides_in(places, folder))
        print(f"{len(sides)} machines", flush=True)
        with open(options.rows or os.devnull, "w", encoding="utf-8") as file:
            for pair in drawn(list(sides), options.cells, options.seed):
                try:
                    row = row_of(pair, sides[pair[0]], sides[pair[1]])
                except VMStateError as error:
                    print(one_line(f"{pair}: {error}"), file=sys.stderr)
                    continue
                rows.append(row)
                file.write(json.dumps(row) + "\n")
                file.flush()
                if not row["right"] or row["line_right"] is False:
                    print(one_line(json.dumps(row)), flush=True)
    lines = page(rows, len(sides), options.seed, (time.monotonic() - begun) / 60)
    write_atomic(options.output, ["\n".join(lines).encode() + b"\n"])
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The virtio-net section, decoded and encoded, against the same declared in compiled construct, in the same run.

    python benchmarks/bench_virtio.py [--runs N] [--json OUT]

The section is that of a card with four queue pairs on PCI: 46 KB, of which 45,056 bytes are two arrays with a place for
each of 1024 queues. The runs of both sides are interleaved, each the fastest of five; each figure is a median, each
ratio the median of the ratios of neighbouring runs. Memory is what tracemalloc counts for a decoded state.

  ordinary   decode, look at the card and at the queues in use, encode
  every      decode, look at every element of both arrays, encode
  memory     bytes held by a decoded state, for each byte of the section
"""

from __future__ import annotations

import argparse
import gc
import json
import lzma
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import construct as cs  # noqa: E402

import vmstate  # noqa: E402
from vmstate.declare import facts_of  # noqa: E402
from vmstate.devices.virtio.net import VirtIONet  # noqa: E402

STREAM = ROOT / "fixtures" / "qemu-11.1-q35-virtio-net-mq4.mig.xz"
QUEUES = 1024
REPEATS = 5


def declared_in_construct(state: Any) -> Any:
    """The layout of this very section in construct: what one would write who knows the card, without conditions."""
    body = state.virtio
    transport, net, virtio = body.transport, body.net, body.virtio

    def subsection(inner: Any) -> Any:
        return cs.Struct(
            "mark" / cs.Int8ub, "length" / cs.Int8ub, "name" / cs.Bytes(cs.this.length), "version" / cs.Int32ub, *inner
        )

    vector = cs.Struct(
        "address" / cs.Int32ul, "upper_address" / cs.Int32ul, "data" / cs.Int32ul, "control" / cs.Int32ul
    )
    queue = cs.Struct("num" / cs.Int32ub, "desc" / cs.Int64ub, "last_avail_idx" / cs.Int16ub, "vector" / cs.Int16ub)
    rings = cs.Struct("avail" / cs.Int64ub, "used" / cs.Int64ub)
    registers = cs.Struct(
        "num" / cs.Int16ub,
        "unused_0" / cs.Int8ub,
        "enabled" / cs.Int8ub,
        "desc" / cs.Array(2, cs.Int32ub),
        "avail" / cs.Array(2, cs.Int32ub),
        "used" / cs.Array(2, cs.Int32ub),
    )
    modern = (
        "dfselect" / cs.Int32ub,
        "gfselect" / cs.Int32ub,
        "guest_features" / cs.Array(2, cs.Int32ub),
        "vqs" / cs.Array(QUEUES, registers),
        *(
            ()
            if virtio.extra_state.extra_state.modern_state.features128 is None
            else ("high" / subsection(("guest_features" / cs.Array(2, cs.Int32ub),)),)
        ),
    )
    sent = {
        "device_endian": ("device_endian" / cs.Int8ub,),
        "features128": ("guest_features" / cs.Int64ub,),
        "features64": ("guest_features" / cs.Int64ub,),
        "virtqueues": ("vq" / cs.Array(QUEUES, rings),),
        "broken": ("broken" / cs.Int8ub,),
        "extra_state": ("modern_state" / subsection(modern),),
        "started": ("started" / cs.Int8ub,),
        "disabled": ("disabled" / cs.Int8ub,),
    }
    rss = (
        "enabled" / cs.Int8ub,
        "redirect" / cs.Int8ub,
        "populate_hash" / cs.Int8ub,
        "hash_types" / cs.Int32ub,
        "supported_hash_types" / cs.Int32ub,
        "indirections_len" / cs.Int16ub,
        "default_queue" / cs.Int16ub,
        "key" / cs.Array(40, cs.Int8ub),
        "indirections_table" / cs.Array(cs.this.indirections_len, cs.Int16ub),
    )
    return cs.Struct(
        "version_id" / cs.Int32ub,
        "config" / cs.Bytes(len(transport.pci_dev.config)),
        "pins" / cs.Array(4, cs.Int32ub),
        "msix_table" / cs.Array(len(transport.msix_table), vector),
        "msix_pba" / cs.Bytes(len(transport.msix_pba)),
        "config_vector" / cs.Int16ub,
        "status" / cs.Int8ub,
        "isr" / cs.Int8ub,
        "queue_sel" / cs.Int16ub,
        "guest_features" / cs.Int32ub,
        "config_len" / cs.Int32ub,
        "device_config" / cs.Bytes(cs.this.config_len),
        "num_queues" / cs.Int32ub,
        "vq" / cs.Array(cs.this.num_queues, queue),
        "mac" / cs.Bytes(6),
        "tx_waiting" / cs.Int32ub,
        "mergeable_rx_bufs" / cs.Int32ub,
        "net_status" / cs.Int16ub,
        "promisc" / cs.Int8ub,
        "allmulti" / cs.Int8ub,
        "in_use" / cs.Int32ub,
        "macs" / cs.Bytes(cs.this.in_use * 6),
        "vlans" / cs.Array(128, cs.Int32ul),
        "has_vnet_hdr" / cs.Int32ub,
        "multi_overflow" / cs.Int8ub,
        "uni_overflow" / cs.Int8ub,
        "alluni" / cs.Int8ub,
        "nomulti" / cs.Int8ub,
        "nouni" / cs.Int8ub,
        "nobcast" / cs.Int8ub,
        "has_ufo" / cs.Int8ub,
        "max_queue_pairs" / cs.Int16ub,
        "curr_queue_pairs" / cs.Int16ub,
        "vqs_1" / cs.Array(net.curr_queue_pairs - 1, cs.Int32ub),
        *(() if net.curr_guest_offloads is None else ("curr_guest_offloads" / cs.Int64ub,)),
        *(() if net.rss is None else ("rss" / subsection(rss),)),
        *(name / subsection(inner) for name, inner in sent.items() if getattr(virtio, name) is not None),
    ).compile()


def fastest(work: Callable[[], object]) -> float:
    """Seconds of the fastest of a few runs, begun without garbage of the other side."""
    gc.collect()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def compare(name: str, runs: int, ours_once: Callable[[], object], peer: Callable[[], object]) -> dict[str, Any]:
    """One figure: medians of both sides and of their ratio."""
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(fastest(ours_once))
        theirs.append(fastest(peer))
    return {
        "figure": name,
        "own_ms": 1e3 * statistics.median(ours),
        "construct_ms": 1e3 * statistics.median(theirs),
        "times_faster": statistics.median(second / first for first, second in zip(ours, theirs, strict=True)),
    }


def held(make: Callable[[], object], size: int) -> float:
    """Bytes that what `make` gives holds, for each of `size`."""
    make()
    gc.collect()
    tracemalloc.start()
    kept = make()
    gc.collect()
    bytes_held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del kept
    return bytes_held / size


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", metavar="OUT", type=Path)
    options = parser.parse_args()
    section = vmstate.load(lzma.decompress(STREAM.read_bytes()))["virtio-net"]
    data = section.vmsd.encode(section.state)
    facts = facts_of(section.state)
    vmsd, peer = VirtIONet.vmsd, declared_in_construct(section.state)
    assert vmsd.encode(vmsd.decode(data, facts=facts)) == data == peer.build(peer.parse(data))

    def own_ordinary() -> None:
        state = vmsd.decode(data, facts=facts)
        queues = state.virtio.virtio.virtqueues.vq
        assert state.net.mac and all(queues[number].used for number in range(state.net.curr_queue_pairs * 2))
        vmsd.encode(state)

    def peer_ordinary() -> None:
        state = peer.parse(data)
        assert state.mac and all(state.virtqueues.vq[number].used for number in range(state.curr_queue_pairs * 2))
        peer.build(state)

    def own_every() -> None:
        state = vmsd.decode(data, facts=facts)
        virtio = state.virtio.virtio
        sum(queue.avail + queue.used for queue in virtio.virtqueues.vq)
        sum(queue.num for queue in virtio.extra_state.extra_state.modern_state.vqs)
        vmsd.encode(state)

    def peer_every() -> None:
        state = peer.parse(data)
        sum(queue.avail + queue.used for queue in state.virtqueues.vq)
        sum(queue.num for queue in state.extra_state.modern_state.vqs)
        peer.build(state)

    rows = [
        compare("ordinary", options.runs, own_ordinary, peer_ordinary),
        compare("every", options.runs, own_every, peer_every),
    ]
    print(f"{'figure':9}  {'own':>10}  {'construct':>10}  faster   ({len(data):,} bytes)")
    for row in rows:
        print(f"{row['figure']:9}  {row['own_ms']:7.2f} ms  {row['construct_ms']:7.2f} ms  {row['times_faster']:5.1f}x")
    memory = {
        "figure": "memory",
        "own_of_wire": held(lambda: vmsd.decode(data, facts=facts), len(data)),
        "construct_of_wire": held(lambda: peer.parse(data), len(data)),
    }
    print(f"memory     {memory['own_of_wire']:7.2f}x    {memory['construct_of_wire']:7.2f}x   of the wire")
    if options.json:
        options.json.write_text(json.dumps([*rows, memory], indent=2) + "\n")


if __name__ == "__main__":
    main()

"""What stays of an early section in a real QEMU where the last section says nothing of it, and what our model says.

Each item is sent early, and not at the end; then QEMU is asked for the state of the device. `load_over` must say the
same. This decides what an early load has to clear, and what a provisional state leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loading import loaded_state
from machines import BARE, NIC, ROOTS, needs_qemu, qemu_of

import vmstate
from vmstate.devices.virtio.core import Broken, Disabled, Features64, RingSize, RingSizes, Started
from vmstate.devices.virtio.net import RSS_MAX_KEY_SIZE, MacAddress, Rss, VirtIONet
from vmstate.devices.virtio.pci import QUEUE_MAX
from vmstate.devices.virtio.status import NetStatus
from vmstate.early.items import table_of
from vmstate.early.load import load_over
from vmstate.early.provisional import by_library, provisional
from vmstate.qemu.capture import capture_machine
from vmstate.qemu.machine import Machine
from vmstate.stream.stream import Section, Stream

ARGV = [*BARE, "-m", "16", *NIC[:-1], f"{NIC[-1]},packed=on", "-S"]
MACHINE = ["pc-q35-7.2" if word == "q35" else word for word in ARGV]


MAKES_QUEUES = (11, 1, 0)
"""From which release on (10.0 does not) a load makes the queues of a card anew, so that no ring size stays."""


def values_of(payload: bytes) -> tuple[bool, bytes]:
    """Whether scaling is on, and everything else."""
    state = by_library("0000:00:01.0/virtio-net", payload, 11)
    assert isinstance(state, VirtIONet)
    is_scaled, state.net.rss = state.net.rss is not None, None
    return is_scaled, VirtIONet.vmsd.encode(state, force=True)


def set_broken(state: VirtIONet) -> None:
    state.virtio.virtio.broken = Broken(broken=True)


def set_disabled(state: VirtIONet) -> None:
    state.virtio.virtio.disabled = Disabled(disabled=True)


def set_started(state: VirtIONet) -> None:
    state.virtio.virtio.started = Started(started=True)


def set_ring_sizes(state: VirtIONet) -> None:
    sizes = [queue.num for queue in state.virtio.vq]
    state.virtio.virtio.ringsize = RingSizes(
        vq=[
            RingSize(num_default=64 if number == 0 else (sizes[number] if number < len(sizes) else 0))
            for number in range(QUEUE_MAX)
        ]
    )


def set_scaling(state: VirtIONet) -> None:
    state.net.rss = Rss.vmsd.decode(
        Rss.vmsd.encode(
            Rss(
                enabled=True,
                # With every load it follows the features (VIRTIO_NET_F_RSS), of which this card has accepted none.
                redirect=False,
                populate_hash=False,
                hash_types=1,
                supported_hash_types=None,
                indirections_len=1,
                default_queue=0,
                key=bytes(RSS_MAX_KEY_SIZE),
                indirections_table=[0],
            ),
            version_id=1,
        ),
        version_id=1,
    )


def set_filter(state: VirtIONet) -> None:
    state.net.promisc, state.net.allmulti = 0, 1
    state.net.mac_table = [bytes([2, 0, 0, 0, 0, 1])]
    state.net.uni_overflow = 1
    state.net.vlans = [1, *([0] * 127)]


def set_mac(state: VirtIONet) -> None:
    state.net.mac = MacAddress(b"\x52\x54\0\xaa\xbb\xcc")


def set_status(state: VirtIONet) -> None:
    state.virtio.status = type(state.virtio.status)(3)
    state.virtio.isr, state.virtio.queue_sel = 1, 1
    state.net.vqs.tx_waiting = 1


def set_features(state: VirtIONet) -> None:
    """Some that every host offers: MRG_RXBUF, CTRL_VQ, CTRL_RX, VERSION_1."""
    state.virtio.guest_features = 1 << 15 | 1 << 17 | 1 << 18
    state.virtio.virtio.features64 = Features64(guest_features=1 << 32 | state.virtio.guest_features)


def set_offloads(state: VirtIONet) -> None:
    """CTRL_GUEST_OFFLOADS, with which the offloads are sent; without a header of the network's there are none."""
    state.virtio.guest_features = 1 << 2
    state.virtio.virtio.features64 = Features64(guest_features=state.virtio.guest_features)
    state.net.curr_guest_offloads = 0


def set_config(state: VirtIONet) -> None:
    state.virtio.config = bytes([0x52, 0x54, 0, 9, 9, 9]) + state.virtio.config[6:]


def set_vectors(state: VirtIONet) -> None:
    transport = state.virtio.transport
    table = list(transport.msix_table)
    table[0] = type(table[0])(address=0xFEE00000, upper_address=0, data=0x4021, control=0)
    table[1] = type(table[1])(address=0xFEE00000, upper_address=0, data=0x4022, control=1)
    transport.msix_table = table
    transport.config_vector = 0


def set_announce(state: VirtIONet) -> None:
    state.net.status |= NetStatus.ANNOUNCE


def set_packed(state: VirtIONet) -> None:
    packed = state.virtio.virtio.packed_virtqueues
    assert packed is not None
    packed.vq[0].last_avail_idx, packed.vq[0].used_idx = 5, 4
    packed.vq[0].last_avail_wrap_counter = not packed.vq[0].last_avail_wrap_counter


ITEMS: dict[str, tuple[Callable[[VirtIONet], None], bool]] = {
    "broken": (set_broken, True),
    "disabled": (set_disabled, True),
    "started": (set_started, True),
    "ring sizes": (set_ring_sizes, True),
    "scaling (RSS)": (set_scaling, True),
    "receive filter": (set_filter, False),
    "MAC address": (set_mac, False),
    "status, isr, selector, tx_waiting": (set_status, False),
    "features": (set_features, False),
    "guest offloads": (set_offloads, False),
    "config": (set_config, False),
    "MSI-X table, masks and vectors": (set_vectors, False),
    "announce": (set_announce, False),
    "packed indices": (set_packed, False),
}
"""Item -> how it is set, and whether it stays in QEMU 7.2, 10.0 and 11.1 where the last section says nothing of it.

Of guest offloads nothing can be seen where the last section has none: virtio_net_post_load_device sets them anew then.
"""


@pytest.fixture(
    scope="module",
    params=[pytest.param(None, id="here"), *[pytest.param(root, marks=pytest.mark.slow) for root in ROOTS]],
)
def cold(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str | None, Stream, Section, bytes, tuple[int, int, int]]]:
    """A QEMU's root, the stream of a machine whose guest never ran, its card's section, the bytes, QEMU's version."""
    path: Path = tmp_path_factory.mktemp("stale") / "cold.mig"
    with Machine(MACHINE, qemu=qemu_of(request.param)) as machine:
        capture_machine(path, machine)
        release = machine.monitor.version
    with vmstate.load(path) as stream:
        card = next(section for section in stream.sections if section.name.endswith("/virtio-net"))
        yield request.param, stream, card, path.read_bytes(), release


@pytest.mark.qemu
@needs_qemu
@pytest.mark.parametrize("item", ITEMS)
def test_what_stays(cold: tuple[str | None, Stream, Section, bytes, tuple[int, int, int]], item: str) -> None:
    root, stream, card, data, release = cold
    change, stays = ITEMS[item]
    final = by_library(card.name, card.payload(), card.version_id)
    early = by_library(card.name, card.payload(), card.version_id)
    assert isinstance(early, VirtIONet)
    assert isinstance(final, VirtIONet)
    change(early)
    head = stream.sections[0].offset

    def after(first: VirtIONet) -> bytes:
        copy = card.header.to_bytes() + first.vmsd.encode(first, force=True) + card.footer.to_bytes()
        state = loaded_state(MACHINE, root, data[:head] + copy + data[head:])
        return state[card.name, card.instance_id]

    plain = loaded_state(MACHINE, root, data)[card.name, card.instance_id]
    left = after(early)
    table = table_of(VirtIONet.vmsd)
    assert table is not None
    model = load_over(early, final, table)
    assert bool(model.stale) is stays
    if item == "ring sizes" and release >= MAKES_QUEUES:
        # The model is of a QEMU that does not.
        assert left == plain
        return
    assert (left != plain) is stays
    # Our model says the same of every byte; QEMU writes its own version of what it kept.
    assert values_of(VirtIONet.vmsd.encode(model.state, force=True)) == values_of(left)
    # A provisional state leaves nothing behind.
    assert after(provisional(early)) == plain

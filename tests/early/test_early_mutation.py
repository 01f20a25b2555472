"""The table of items is held by tests: whichever row is left out, has another class or stands elsewhere, a run fails.

A run is a script: what a guest does between the early save and the stop, and which items the plan must then name, with
their classes. It goes through the checks of the stateful test. Every row of the table has a script, and every mutant of
the table must fail one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import pytest
from early_migration import EarlyMigration
from guests import GUESTS, card_of

from vmstate.devices.virtio import net_items
from vmstate.devices.virtio.core import DeviceEndian
from vmstate.devices.virtio.features import NetFeatures
from vmstate.devices.virtio.net import VirtIONet
from vmstate.early.items import Item, ItemClass, ItemTable, MixedRule
from vmstate.early.policy import PerItem
from vmstate.errors import EarlyError
from vmstate.vmsd.state import facts_of

pytestmark = pytest.mark.slow

ALWAYS, VALUE, RESET, HOST = ItemClass
ITEMS: ItemTable = net_items.ITEMS

MQ4, ONE, LEGACY, MMIO, PASST = (
    "four pairs, RSS",
    "one pair, filters",
    "legacy device",
    "MMIO",
    "back-end state",
)

ORDER = (
    "guest_features",
    "device_endian",
    "device_status",
    "mac",
    "mac_table",
    "queue_pairs",
    "rss",
    "guest_offloads",
    "rx_mode",
    "vlan",
    "net_status",
    "ring_geometry",
    "queue_enabled",
)
"""The order in which a device is set: what the host decides, what all depends on, the card, the queues.

Pairs come before scaling, for the command for pairs switches scaling off, and offloads behind both, for features set
them. The rest depends on nothing; what is sent always comes last and together.
"""


class Script(NamedTuple):
    """A guest, what it does, and what the plan must name.

    `refused`: the device is none that can be resynchronised. `more`: other items change with it, and may be named too.
    """

    guest: str
    does: Callable[[EarlyMigration], object]
    reasons: dict[str, ItemClass]
    backend: str = "vhost-vdpa"
    refused: bool = False
    more: bool = False


def direct(how: Callable[[VirtIONet], object]) -> Callable[[EarlyMigration], object]:
    """Something that no handler of the guest model does."""
    return lambda run: run.source.change(how)


def after_reset(how: Callable[[VirtIONet], object]) -> Callable[[EarlyMigration], object]:
    """Something that comes with a reset alone."""

    def does(run: EarlyMigration) -> None:
        run.source.reset(how)
        run.demanded.add("reset")

    return does


def fewer_queues(card: VirtIONet) -> None:
    card.virtio.vq = list(card.virtio.vq)[:-1]
    card.virtio.num_queues -= 1


def pairs_and_queues(run: EarlyMigration) -> None:
    """A release that makes queues as pairs need them."""
    run.pairs(pairs=2)
    run.source.change(fewer_queues)


def everything(run: EarlyMigration) -> None:
    run.mac(last=9)
    run.mac_table(unicast=2, multicast=1, seed=1)
    run.rss(pairs=2, table=(0, 1), types=63)
    run.offloads(mask=2)
    run.mode(mode="allmulti", on=True)
    run.vlan(vid=9, on=True)
    run.announce(on=True)
    run.restart_queue(queue=1, num=64, place=0)


def another_driver(run: EarlyMigration) -> None:
    """Another system was started: another byte order, other features, and it has given up since."""
    run.reset(drop=NetFeatures.CTRL_VLAN, comes_back=True, num=256, place=0)
    run.source.change(lambda card: setattr(card.virtio.virtio, "device_endian", DeviceEndian(device_endian=2)))
    run.mac(last=3)
    run.driver_gives_up()


def set_bits(card: VirtIONet) -> None:
    card.virtio.transport.msix_pba = bytes([1] * len(card.virtio.transport.msix_pba))


def raise_pin(card: VirtIONet) -> None:
    state = card.virtio.transport.pci_dev.irq_state
    state.pins = [1, *list(state.pins)[1:]]


SCRIPTS = {
    "idle": Script(MQ4, lambda run: None, {}),
    "mac": Script(MQ4, lambda run: run.mac(last=7), {"mac": VALUE}),
    "mac_table": Script(MQ4, lambda run: run.mac_table(unicast=2, multicast=2, seed=3), {"mac_table": VALUE}),
    "rx_mode": Script(MQ4, lambda run: run.mode(mode="allmulti", on=True), {"rx_mode": VALUE}),
    "vlan": Script(MQ4, lambda run: run.vlan(vid=100, on=True), {"vlan": VALUE}),
    "net_status": Script(MQ4, lambda run: run.announce(on=True), {"net_status": VALUE}),
    "queue_pairs": Script(MQ4, lambda run: run.pairs(pairs=2), {"queue_pairs": VALUE}),
    "rss": Script(MQ4, lambda run: run.rss(pairs=4, table=(0, 1), types=63), {"rss": VALUE}),
    "guest_offloads": Script(MQ4, lambda run: run.offloads(mask=2), {"guest_offloads": VALUE}),
    "tx_waiting": Script(MQ4, lambda run: run.tx_waiting(pair=0, on=True), {}),
    "device_status": Script(MQ4, lambda run: run.driver_gives_up(), {"device_status": RESET}),
    "device_status by QEMU": Script(MQ4, lambda run: run.virtio_error(), {"device_status": VALUE, "flags": VALUE}),
    "isr": Script(MQ4, direct(lambda card: setattr(card.virtio, "isr", 3)), {}),
    "selectors": Script(MQ4, lambda run: run.select(queue=3, word=1), {}),
    "guest_features": Script(
        MQ4,
        after_reset(lambda card: setattr(card.virtio.virtio.features64, "guest_features", 1 << 32)),
        {"guest_features": RESET},
    ),
    "device_endian": Script(
        LEGACY,
        after_reset(lambda card: setattr(card.virtio.virtio, "device_endian", DeviceEndian(device_endian=2))),
        {"device_endian": RESET},
    ),
    "flags": Script(MQ4, lambda run: run.disable(off=True), {"flags": VALUE}),
    "config": Script(
        MQ4, direct(lambda card: setattr(card.virtio, "config", b"\7" + card.virtio.config[1:])), {"config": VALUE}
    ),
    "queue_count": Script(MQ4, after_reset(fewer_queues), {"queue_count": RESET}, "tap", more=True),
    "queue_count with pairs": Script(
        MQ4, pairs_and_queues, {"queue_count": VALUE, "queue_pairs": VALUE}, "tap", more=True
    ),
    "ring_geometry": Script(
        MQ4,
        lambda run: run.restart_queue(queue=1, num=256, place=0x500000),
        {"ring_geometry": VALUE},
        "vhost-net",
    ),
    "ring_geometry under vDPA": Script(
        MQ4, lambda run: run.restart_queue(queue=1, num=256, place=0x500000), {"ring_geometry": RESET}
    ),
    "ring_default": Script(
        MQ4,
        lambda run: run.restart_queue(queue=1, num=64, place=0x500000),
        {"ring_geometry": VALUE, "ring_default": VALUE},
        "vhost-net",
    ),
    "queue_enabled": Script(
        MQ4,
        lambda run: run.restart_queue(queue=1, num=256, place=0),
        {"ring_geometry": VALUE, "queue_enabled": VALUE},
        "vhost-net",
    ),
    "ring_default under vDPA": Script(
        MQ4,
        lambda run: run.restart_queue(queue=1, num=64, place=0x500000),
        {"ring_geometry": RESET, "ring_default": RESET},
    ),
    "queue_enabled under vDPA": Script(
        MQ4,
        lambda run: run.restart_queue(queue=1, num=256, place=0),
        {"ring_geometry": RESET, "queue_enabled": RESET},
    ),
    "queue_indices": Script(MQ4, lambda run: run.traffic(queue=0, count=9), {}),
    "queue_indices of packed rings": Script("packed ring", lambda run: run.traffic(queue=0, count=300), {}),
    "vectors": Script(MQ4, lambda run: run.use_vector(queue=1, vector=5), {"vectors": VALUE}),
    "msix": Script(MQ4, lambda run: run.steer(vector=2, address=0xFEE01000, masked=True), {"msix": VALUE}),
    "pba": Script(MQ4, direct(set_bits), {}),
    "irq_state": Script(MQ4, direct(raise_pin), {}),
    "pci_config": Script(MQ4, lambda run: run.write_pci(master=False), {"pci_config": VALUE}),
    "transport": Script(
        MMIO, direct(lambda card: setattr(card.virtio.transport, "guest_page_shift", 13)), {"transport": VALUE}
    ),
    "backend_state": Script(
        PASST, lambda run: run.back_end_state(data=b"other"), {"backend_state": RESET}, "vhost-user"
    ),
    "host": Script(MQ4, direct(lambda card: setattr(card.net.has_vnet_hdr, "has_vnet_hdr", 0)), {}, refused=True),
    "everything": Script(
        MQ4,
        everything,
        dict.fromkeys(
            (
                "mac",
                "mac_table",
                "queue_pairs",
                "rss",
                "guest_offloads",
                "rx_mode",
                "vlan",
                "net_status",
                "ring_geometry",
                "ring_default",
                "queue_enabled",
            ),
            VALUE,
        ),
        "vhost-net",
    ),
    "everything with a reset": Script(
        LEGACY,
        another_driver,
        {"guest_features": RESET, "device_endian": RESET, "device_status": RESET},
        more=True,
    ),
}


def play(script: Script) -> None:
    """Run a script; raises where anything is not as it must be."""
    run = EarlyMigration()
    run.begin(
        guest=script.guest,
        backend=script.backend,
        policy=PerItem,
        notified=False,
        at_once=True,
        fault=None,
        queue=None,
        when=None,
    )
    script.does(run)
    source = run.source
    if script.refused:
        with pytest.raises(EarlyError, match="host"):
            run.complete()
        return
    run.complete()
    plan = source.plan
    assert plan is not None
    classes = {reason.item: reason.cls for reason in plan.reasons}
    if script.more:
        assert script.reasons.items() <= classes.items()
    elif script.reasons or RESET not in classes.values():
        assert classes == script.reasons
    places = [ORDER.index(name) for name in classes if name in ORDER]
    assert places == sorted(places)


def every_part_has_an_owner(table: ItemTable) -> None:
    """No part of any guest's section is no item's."""
    for path in leaves():
        assert table.owner(path) is not None, path


@cache
def leaves() -> tuple[str, ...]:
    """The paths of every value in the guests' sections, without places in arrays."""
    kept: dict[str, None] = {}
    for guest in GUESTS:
        card = card_of(guest)
        data = VirtIONet.vmsd.encode(card, force=True)
        paths = list(VirtIONet.vmsd.trace(data, facts=facts_of(card)))
        for path, behind in zip(paths, [*paths[1:], ""], strict=True):
            if not behind.startswith((f"{path}.", f"{path}[")):
                parts = path.split("[")
                kept["".join(part.partition("]")[2] if at else part for at, part in enumerate(parts))] = None
    return tuple(kept)


def test_every_part_has_an_owner() -> None:
    every_part_has_an_owner(ITEMS)
    assert len(leaves()) > 60


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_table_passes(name: str) -> None:
    play(SCRIPTS[name])


def test_every_row_has_a_script() -> None:
    assert set(ITEMS.names) <= set(SCRIPTS)


def with_items(*items: Item) -> ItemTable:
    return ItemTable(ITEMS.name, items, ITEMS.layout, ITEMS.constants, ITEMS.events, ITEMS.replay, ITEMS.notices)


def item_as(item: Item, cls: ItemClass, rule: MixedRule | None) -> Item:
    return Item(
        item.name,
        cls,
        item.paths,
        item.source,
        rule,
        item.tracked,
        item.shown,
        item.operations,
        item.forbids_early_start,
        item.role,
        item.flag,
    )


def mutants() -> Iterator[tuple[str, str, ItemTable]]:
    """Every mutant: what was done to the table, to which row, and the table."""
    rows = ITEMS.items
    for place, item in enumerate(rows):
        rest = [row for row in rows if row is not item]
        yield "without", item.name, with_items(*rest)
        for cls in ItemClass:
            if item.rule is not None or cls is not item.cls:
                changed = item_as(item, cls, None)
                yield f"as {cls}", item.name, with_items(*rows[:place], changed, *rows[place + 1 :])
    chain = [item for item in rows if item.name in ORDER]
    for former, latter in pairwise(chain):
        swapped = [latter if item is former else former if item is latter else item for item in rows]
        yield f"behind {latter.name}", former.name, with_items(*swapped)


MUTANTS = {f"{row} {what}": (row, table) for what, row, table in mutants()}


def test_there_are_mutants_of_every_row() -> None:
    assert {row for row, _ in MUTANTS.values()} == set(ITEMS.names)
    assert len(MUTANTS) > 3 * len(ITEMS.items)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_of_the_table_fails(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row, table = MUTANTS[mutant]
    monkeypatch.setattr(net_items, "ITEMS", table)
    try:
        every_part_has_an_owner(table)
    except AssertionError:
        return
    scripts = [name for name in SCRIPTS if name.partition(" ")[0] == row]
    whole = ["everything", "everything with a reset"]
    for name in [*scripts, *whole, *(name for name in SCRIPTS if name not in (*scripts, *whole))]:
        try:
            play(SCRIPTS[name])
        except (Exception, pytest.fail.Exception):
            return
    pytest.fail(f"no run has failed with the row {mutant}")

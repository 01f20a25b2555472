"""The network cards of a machine that is measured: one behind the root bus, or each behind a root port of its own."""

from __future__ import annotations

from vmstate.lab.network import OwnNetwork

BACKEND = "backend0"
"""The -chardev of a vhost-user back end."""

FIRST = "mac=52:54:00:12:34:56"


def card_words(
    cards: int,
    pairs: int,
    network: OwnNetwork | None,
    *,
    netdev: str = "",
    device: str = "",
    vectors: int | None = None,
    vhost_user: bool = False,
) -> list[str]:
    """The options of so many virtio-net cards with so many queue pairs each; the first is `nic0`, and has a network.

    Without `network` it is QEMU's user network, or the vhost-user back end at the -chardev `BACKEND`. `netdev` and
    `device` are further options of the first card's -netdev and of every -device; `vectors` those of each card's
    interrupts, two for each pair and two more where not said.
    """
    many = "" if network is None else f",mq=on,vectors={2 * pairs + 2 if vectors is None else vectors}"
    first = f"vhost-user,id=n0,chardev={BACKEND}" if vhost_user else "user,id=n0"
    first = first + (f",{netdev}" if netdev else "") if network is None else network.netdev(pairs, more=netdev)
    words: list[str] = []
    for number in range(cards):
        port = f",bus=rp{number}" if cards > 1 else ""
        if port:
            words += ["-device", f"pcie-root-port,id=rp{number},chassis={number + 1},slot={number + 1}"]
        identity = f"id=nic0,{FIRST}" if number == 0 else f"mac=52:54:00:12:35:{number:02x}"
        card = f"virtio-net-pci,netdev=n{number},{identity},romfile={many}{port}"
        words += ["-netdev", first if number == 0 else _further(number, pairs, network)]
        words += ["-device", f"{card},{device}" if device else card]
    return words


def _further(number: int, pairs: int, network: OwnNetwork | None) -> str:
    """The -netdev of a card that nothing is sent through."""
    if network is None:
        return f"user,id=n{number}"
    queues = f",queues={pairs}" if pairs > 1 else ""
    return f"tap,id=n{number}{queues},script=no,downscript=no"

"""vhost: the messages of real transcripts, hand-made vectors of every structure, and what is refused."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import FIXTURES, PROVENANCE, ROOT, TRANSCRIPTS, opened

import vmstate  # noqa: F401  (binds the codec)
from vmstate.devices.vhost import kernel, user, vring
from vmstate.devices.vhost.abi import Structure
from vmstate.devices.vhost.element import IOVec, VirtQueueElement
from vmstate.devices.vhost.inflight import VhostInflightBuffer, VhostInflightRegion
from vmstate.devices.vhost.user import BackendRequest as B
from vmstate.devices.vhost.user import FrontendRequest as F
from vmstate.devices.vhost.user import Message, MessageFlags
from vmstate.devices.vhost.vring import (
    Avail,
    Desc,
    DescFlags,
    DescTable,
    PackedDesc,
    PackedRing,
    RingFeature,
    Used,
    UsedElem,
)
from vmstate.errors import DecodeError, EncodeError, TruncatedError, VMStateError
from vmstate.vmsd.state import residue_of

REPLY = MessageFlags.VERSION_1 | MessageFlags.REPLY
ASKING = MessageFlags.VERSION_1 | MessageFlags.NEED_REPLY


# ---------------------------------------------------------------------------------------------------------------------
# Real transcripts.


class Line(NamedTuple):
    """A message of a transcript: its direction, its bytes, and the message."""

    direction: str
    data: bytes
    message: Message


def header(request: int, flags: int, size: int) -> bytes:
    return b"".join(number.to_bytes(4, "little") for number in (request, flags, size))


def transcript(recording: str, side: str) -> list[Line]:
    lines = []
    for text in (FIXTURES / f"vhost-user/{recording}-{side}.jsonl").read_text().splitlines():
        line = json.loads(text)
        data = header(line["request"], line["flags"], line["size"]) + bytes.fromhex(line["payload"])
        lines.append(Line(line["dir"], data, Message.decode(data)))
    return lines


def payloads(lines: list[Line], request: F, direction: str = ">") -> list[Any]:
    """The payloads of a request, or of its replies."""
    return [line.message.payload for line in lines if line.message.request is request and line.direction == direction]


RECORDINGS = sorted(TRANSCRIPTS)
SIDES = [(recording, side) for recording in RECORDINGS for side in ("source", "destination")]
DISTINCT = sorted({line.data for recording, side in SIDES for line in transcript(recording, side)})


def test_the_transcripts_are_there() -> None:
    assert RECORDINGS == ["qemu-11.1-blk", "qemu-11.1-passt"]
    assert sum(len(transcript(*side)) for side in SIDES) == 337


@pytest.mark.parametrize(("recording", "side"), SIDES)
def test_every_message_is_understood(recording: str, side: str) -> None:
    asked: list[Line] = []
    for line in transcript(recording, side):
        message = line.message
        assert message.encode() == line.data
        assert Message.decode(bytearray(line.data)) == Message.decode(memoryview(line.data)) == message
        assert message.is_reply == (line.direction == "<")
        kinds = user.FRONTEND_PAYLOADS[F(message.request)]
        if message.is_reply:
            assert message.request is asked.pop().message.request
            payloads = kinds.reply
        else:
            asked = [line]
            payloads = kinds.request
        assert (None if message.payload is None else type(message.payload)) is payloads[0] or message.request in (
            F.SET_MEM_TABLE,
            F.ADD_MEM_REG,
        )
        if isinstance(message.payload, user.Ack):
            assert message.payload.status == 0


@pytest.mark.parametrize(("recording", "side"), SIDES)
def test_a_message_that_asks_is_answered_at_once(recording: str, side: str) -> None:
    lines = transcript(recording, side)
    for line, behind in pairwise(lines):
        has_answer = None not in user.FRONTEND_PAYLOADS[F(line.message.request)].reply
        if line.message.needs_reply and has_answer:
            assert behind.message.is_reply


def regions(lines: list[Line]) -> list[user.MemoryRegion]:
    tables = payloads(lines, F.SET_MEM_TABLE)
    return [region for table in tables for region in table.regions] + [
        added.region for added in payloads(lines, F.ADD_MEM_REG)
    ]


def guest_address(address: int, region: user.MemoryRegion) -> int:
    assert region.userspace_addr <= address < region.userspace_addr + region.memory_size
    return address - region.userspace_addr + region.guest_phys_addr


def status_of_queues(recording: str) -> Iterator[tuple[int, dict[str, Any], dict[str, Any]]]:
    """What QEMU's x-query-virtio-queue-status and x-query-virtio-vhost-queue-status said."""
    for device in TRANSCRIPTS[recording]["x-query-virtio"]:
        for queue in device["queues"]:
            if isinstance(queue, dict):
                yield queue["queue"]["queue-index"], queue["queue"], queue["vhost"]


@pytest.mark.parametrize(("recording", "side"), SIDES)
def test_the_memory_is_the_machine_s(recording: str, side: str) -> None:
    argv = PROVENANCE[f"vhost-user/{recording}-final.mig.xz"]["argv"]
    size = int(argv[argv.index("-m") + 1]) << 20
    mapped = regions(transcript(recording, side))
    assert mapped
    for region in mapped:
        assert (region.guest_phys_addr, region.memory_size, region.mmap_offset) == (0, size, 0)
        assert region.userspace_addr % kernel.PAGE_SIZE == 0


@pytest.mark.parametrize("recording", RECORDINGS)
def test_the_rings_are_where_qemu_says(recording: str) -> None:
    lines = transcript(recording, "source")
    region = regions(lines)[-1]
    sizes = {state.index: state.num for state in payloads(lines, F.SET_VRING_NUM)}
    addresses = {addr.index: addr for addr in payloads(lines, F.SET_VRING_ADDR)}
    features = RingFeature(payloads(lines, F.SET_FEATURES)[-1].value)
    queues = list(status_of_queues(recording))
    assert [number for number, _, _ in queues] == sorted(sizes) == sorted(addresses) == [0, 1]
    for number, queue, vhost in queues:
        assert sizes[number] == queue["vring-num"] == vhost["num"]
        addr = addresses[number]
        assert guest_address(addr.desc_user_addr, region) == queue["vring-desc"] == vhost["desc-phys"]
        assert guest_address(addr.avail_user_addr, region) == queue["vring-avail"] == vhost["avail-phys"]
        assert guest_address(addr.used_user_addr, region) == queue["vring-used"] == vhost["used-phys"]
        assert addr.log_guest_addr == vhost["used-phys"]
        laid_out = vring.split_sizes(vhost["num"], features)
        assert (laid_out.desc, laid_out.avail, laid_out.used) == (
            vhost["desc-size"],
            vhost["avail-size"],
            vhost["used-size"],
        )


@pytest.mark.parametrize("recording", RECORDINGS)
def test_the_bases_go_through_the_stream(recording: str) -> None:
    """What the source's back end said when it stood still is in the stream, and what the destination's is told."""
    name = {"qemu-11.1-blk": "vhost-user-blk", "qemu-11.1-passt": "virtio-net"}[recording]
    told = {
        base.index: base.last_avail_idx for base in payloads(transcript(recording, "destination"), F.SET_VRING_BASE)
    }
    bases = {
        base.index: base.last_avail_idx for base in payloads(transcript(recording, "source"), F.GET_VRING_BASE, "<")
    }
    with opened(f"vhost-user/{recording}-final.mig.xz") as stream:
        saved = {number: queue.last_avail_idx for number, queue in enumerate(stream[name].state.virtio.vq)}
    assert told == bases == {number: saved[number] for number in bases}
    assert sum(bases.values())


DEVICE = {"qemu-11.1-blk": "vhost-user-blk", "qemu-11.1-passt": "virtio-net"}


def stops(lines: list[Line]) -> list[dict[int, int]]:
    """Queue -> the index at which the back end stood still, each time that the rings in use were stopped."""
    bases: list[dict[int, int]] = []
    for base in payloads(lines, F.GET_VRING_BASE, "<"):
        if base.index == 0:
            bases.append({})
        bases[-1][base.index] = base.last_avail_idx
    return bases


@pytest.mark.parametrize("recording", RECORDINGS)
def test_each_stream_holds_the_bases_of_its_moment(recording: str) -> None:
    """The source was saved twice, and its guest ran on in between."""
    saved = []
    for moment in ("early", "final"):
        with opened(f"vhost-user/{recording}-{moment}.mig.xz") as stream:
            queues = stream[DEVICE[recording]].state.virtio.vq
            # The control queue of a virtio-net is QEMU's own.
            saved.append({number: queues[number].last_avail_idx for number in (0, 1)})
    early, final = saved
    assert early != final
    changes = [before for before, after in pairwise([*stops(transcript(recording, "source")), {}]) if before != after]
    assert changes[-2:] == [early, final]


@pytest.mark.parametrize("moment", ["early", "final"])
@pytest.mark.parametrize("recording", RECORDINGS)
def test_the_rings_in_the_stream_are_those_that_the_back_end_was_told(recording: str, moment: str) -> None:
    """SET_VRING_ADDR says where they are in the front end's memory, the memory table where that is in the guest's."""
    lines = transcript(recording, "source")
    addresses = {addr.index: addr for addr in payloads(lines, F.SET_VRING_ADDR)}
    sizes = {state.index: state.num for state in payloads(lines, F.SET_VRING_NUM)}
    region = regions(lines)[-1]
    with opened(f"vhost-user/{recording}-{moment}.mig.xz") as stream:
        name = stream[DEVICE[recording]].name
        for number, addr in addresses.items():
            queue = stream.query("x-query-virtio-queue-status", {"path": name, "queue": number})
            assert queue["vring-num"] == sizes[number]
            assert queue["vring-desc"] == guest_address(addr.desc_user_addr, region)
            assert queue["vring-avail"] == guest_address(addr.avail_user_addr, region)
            assert queue["vring-used"] == guest_address(addr.used_user_addr, region)
    assert sorted(addresses) == [0, 1]


@pytest.mark.parametrize("moment", ["early", "final"])
def test_the_state_of_the_back_end_goes_with_the_card(moment: str) -> None:
    """passt gives its own state in one piece: a length, the bytes, and a length of zero behind the last."""
    with opened(f"vhost-user/qemu-11.1-passt-{moment}.mig.xz") as stream:
        card = stream["virtio-net"]
        (piece,) = card.state.net.backend.backend.pieces
        assert piece.startswith(bytes.fromhex("b1bb1d1b0bb1d1b0"))  # passt's own mark
        entry = card.trace()["virtio.net.backend.backend.pieces"]
        raw = stream.to_bytes()[entry.offset : entry.offset + entry.size]
    assert raw == len(piece).to_bytes(4, "big") + piece + bytes(4)
    asked = payloads(transcript("qemu-11.1-passt", "source"), F.SET_DEVICE_STATE_FD)
    assert {transfer.direction for transfer in asked} == {user.TransferDirection.SAVE} and len(asked) == 2


def test_logging_is_told_ring_by_ring() -> None:
    lines = transcript("qemu-11.1-passt", "source")
    assert {addr.flags for addr in payloads(lines, F.SET_VRING_ADDR)} == {kernel.VringFlags(0), kernel.VringFlags.LOG}
    assert {log.mmap_size for log in payloads(lines, F.SET_LOG_BASE)} == {0x6000000 // 4096 // 8}


def test_what_a_device_says_of_itself() -> None:
    lines = transcript("qemu-11.1-blk", "source")
    config = payloads(lines, F.GET_CONFIG, "<")[0]
    assert (config.offset, config.size, len(config.region)) == (0, 57, 57)
    assert int.from_bytes(config.region[:8], "little") == 0x8000  # sectors
    agreed = payloads(lines, F.SET_PROTOCOL_FEATURES)[0].features
    assert user.ProtocolFeature.CONFIGURE_MEM_SLOTS in agreed
    lines = transcript("qemu-11.1-passt", "destination")
    assert payloads(lines, F.SEND_RARP)[0].mac == bytes.fromhex("525400123456")
    assert payloads(lines, F.SET_DEVICE_STATE_FD) == [
        user.DeviceStateTransfer(direction=user.TransferDirection.LOAD, phase=user.TransferPhase.STOPPED)
    ]
    assert payloads(lines, F.SET_DEVICE_STATE_FD, "<") == [
        user.DeviceStateReply(status=0, flags=user.FdFlags.INVALID_FD)
    ]
    assert user.ProtocolFeature.DEVICE_STATE in payloads(lines, F.SET_PROTOCOL_FEATURES)[0].features


# ---------------------------------------------------------------------------------------------------------------------
# Hand-made messages.

REGION = user.MemoryRegion(guest_phys_addr=0x1000, memory_size=0x2000, userspace_addr=0x7F0000000000, mmap_offset=0x80)
REGION_HEX = "0010000000000000 0020000000000000 00000000007f0000 8000000000000000"
XEN = user.XenMemoryRegion(
    guest_phys_addr=0x1000,
    memory_size=0x2000,
    userspace_addr=0x7F0000000000,
    mmap_offset=0x80,
    xen_mmap_flags=user.XenMapFlags.GRANT | user.XenMapFlags.NO_ADVANCE_MAP,
    domid=5,
)
XEN_HEX = REGION_HEX + "02010000 05000000"
TEN = bytes(range(10))
INFLIGHT = user.Inflight(mmap_size=0x3000, mmap_offset=0x1000, num_queues=2, queue_size=128)
OBJECT = user.SharedObject(uuid=UUID("00112233-4455-6677-8899-aabbccddeeff"))
SYMMETRIC = user.SymmetricSession(
    cipher_alg=1,
    key_len=16,
    hash_alg=2,
    hash_result_len=20,
    auth_key_len=8,
    add_len=3,
    op_type=1,
    direction=2,
    hash_mode=3,
    alg_chain_order=4,
    cipher_key_pointer=0x1122,
    auth_key_pointer=0x3344,
    cipher_key=b"c" * 16 + bytes(48),
    auth_key=b"a" * 8 + bytes(504),
)
SYMMETRIC_HEX = (
    "01000000 10000000 02000000 14000000 08000000 03000000 01020304 00000000 2211000000000000 4433000000000000"
    + (b"c" * 16 + bytes(48) + b"a" * 8 + bytes(504 + 432)).hex()
)
ASYMMETRIC = user.AsymmetricSession(
    algo=1, keytype=2, keylen=4, key_pointer=0x55, rsa_padding_algo=6, rsa_hash_algo=7, key=b"rsa!" + bytes(1020)
)
ASYMMETRIC_HEX = (
    "01000000 02000000 04000000 00000000 5500000000000000 06000000 07000000" + (b"rsa!" + bytes(1020)).hex()
)
SHMEM = user.ShmemConfig(nregions=1, memory_sizes=(0, 0, 0x100000, *[0] * 253))
MMAP = user.Mmap(shmid=3, fd_offset=0x1000, shm_offset=0x2000, len=0x3000, flags=user.MmapFlags.RW)

VECTORS: list[tuple[Message, str]] = [
    (Message(F.GET_FEATURES, user.U64Value(value=1 << 33), REPLY), "01000000 05000000 08000000 0000000002000000"),
    (Message(F.SET_OWNER), "03000000 01000000 00000000"),
    (Message(F.RESET_OWNER, None, ASKING), "04000000 09000000 00000000"),
    (Message(F.RESET_OWNER, user.Ack(status=1), REPLY), "04000000 05000000 08000000 0100000000000000"),
    (
        Message(F.SET_MEM_TABLE, user.MemoryTable(regions=(REGION, REGION))),
        f"05000000 01000000 48000000 02000000 00000000 {REGION_HEX * 2}",
    ),
    (
        Message(F.SET_MEM_TABLE, user.MemoryTable(padding=7, regions=(REGION,), spare=b"\xee" * 224)),
        f"05000000 01000000 08010000 01000000 07000000 {REGION_HEX} {'ee' * 224}",
    ),
    (
        Message(F.SET_MEM_TABLE, user.XenMemoryTable(regions=(XEN,))),
        f"05000000 01000000 30000000 01000000 00000000 {XEN_HEX}",
    ),
    (
        Message(F.SET_MEM_TABLE, user.XenMemoryTable(regions=(XEN,), spare=bytes(280))),
        f"05000000 01000000 48010000 01000000 00000000 {XEN_HEX} {'00' * 280}",
    ),
    # Postcopy: the back end's own addresses, and the front end's thanks.
    (
        Message(F.SET_MEM_TABLE, user.MemoryTable(regions=(REGION,)), REPLY),
        f"05000000 05000000 28000000 01000000 00000000 {REGION_HEX}",
    ),
    (Message(F.SET_MEM_TABLE, user.Ack()), "05000000 01000000 08000000 0000000000000000"),
    (
        Message(F.SET_LOG_BASE, user.Log(mmap_size=0xC00, mmap_offset=0x10)),
        "06000000 01000000 10000000 000c000000000000 1000000000000000",
    ),
    (Message(F.SET_LOG_BASE, user.U64Value(value=0xC00), REPLY), "06000000 05000000 08000000 000c000000000000"),
    (Message(F.SET_LOG_BASE, None, REPLY), "06000000 05000000 00000000"),
    (Message(F.SET_LOG_FD), "07000000 01000000 00000000"),
    (Message(F.SET_VRING_NUM, kernel.VringState(index=1, num=256)), "08000000 01000000 08000000 01000000 00010000"),
    (
        Message(
            F.SET_VRING_ADDR,
            kernel.VringAddr(
                index=1,
                flags=kernel.VringFlags.LOG,
                desc_user_addr=2,
                used_user_addr=3,
                avail_user_addr=4,
                log_guest_addr=5,
            ),
        ),
        "09000000 01000000 28000000 01000000 01000000"
        "0200000000000000 0300000000000000 0400000000000000 0500000000000000",
    ),
    (
        Message(F.SET_VRING_BASE, kernel.VringBase(index=1, num=0xFFFE)),
        "0a000000 01000000 08000000 01000000 feff0000",
    ),
    (Message(F.GET_VRING_BASE, kernel.VringState(index=1, num=0)), "0b000000 01000000 08000000 01000000 00000000"),
    (
        Message(F.GET_VRING_BASE, kernel.VringBase(index=1, num=0x8003_0004), REPLY),
        "0b000000 05000000 08000000 01000000 04000380",
    ),
    (Message(F.SET_VRING_KICK, user.VringFd(index=2)), "0c000000 01000000 08000000 0200000000000000"),
    (
        Message(F.SET_VRING_CALL, user.VringFd(index=2, flags=user.FdFlags.INVALID_FD)),
        "0d000000 01000000 08000000 0201000000000000",
    ),
    (
        # Bits without a name stay.
        Message(F.SET_VRING_ERR, user.VringFd(index=2, flags=user.FdFlags(0x80000000000000 | 1))),
        "0e000000 01000000 08000000 0201000000000080",
    ),
    (
        Message(F.SET_PROTOCOL_FEATURES, user.ProtocolFeatures(features=user.ProtocolFeature(1 << 63 | 1 << 3))),
        "10000000 01000000 08000000 0800000000000080",
    ),
    (Message(F.GET_QUEUE_NUM, user.U64Value(value=4), REPLY), "11000000 05000000 08000000 0400000000000000"),
    (Message(F.SET_VRING_ENABLE, kernel.VringState(index=0, num=1)), "12000000 01000000 08000000 00000000 01000000"),
    (Message(F.SEND_RARP, user.Rarp(mac=b"RTBAHN", padding=b"\1\2")), "13000000 01000000 08000000 525442 41484e 0102"),
    (Message(F.NET_SET_MTU, user.U64Value(value=1500)), "14000000 01000000 08000000 dc05000000000000"),
    (Message(F.SET_BACKEND_REQ_FD, None, ASKING), "15000000 09000000 00000000"),
    (
        Message(
            F.IOTLB_MSG,
            kernel.IotlbMessage(
                iova=1,
                size=2,
                uaddr=3,
                perm=kernel.Access.RO | kernel.Access.WO,
                type=kernel.IotlbType.UPDATE,
            ),
        ),
        "16000000 01000000 20000000 0100000000000000 0200000000000000 0300000000000000 03 02 000000000000",
    ),
    (Message(F.SET_VRING_ENDIAN, kernel.VringState(index=3, num=1)), "17000000 01000000 08000000 03000000 01000000"),
    (
        Message(F.GET_CONFIG, user.Config(offset=4, region=TEN)),
        f"18000000 01000000 16000000 04000000 0a000000 00000000 {TEN.hex()}",
    ),
    (Message(F.GET_CONFIG, user.Config(offset=4, region=b""), REPLY), "18000000 05000000 0c000000 04" + "00" * 11),
    (Message(F.GET_CONFIG, None, REPLY), "18000000 05000000 00000000"),
    (
        Message(F.SET_CONFIG, user.Config(offset=0, flags=user.ConfigFlags.MIGRATION, region=TEN)),
        f"19000000 01000000 16000000 00000000 0a000000 01000000 {TEN.hex()}",
    ),
    (
        Message(F.CREATE_CRYPTO_SESSION, user.CryptoSession(op_code=2, session=SYMMETRIC)),
        f"1a000000 01000000 30040000 0200000000000000 {SYMMETRIC_HEX} 0000000000000000",
    ),
    (
        Message(F.CREATE_CRYPTO_SESSION, user.CryptoSession(op_code=0x404, session=ASYMMETRIC, session_id=-1), REPLY),
        f"1a000000 05000000 30040000 0404000000000000 {ASYMMETRIC_HEX} ffffffffffffffff",
    ),
    (Message(F.CLOSE_CRYPTO_SESSION, user.U64Value(value=9)), "1b000000 01000000 08000000 0900000000000000"),
    (Message(F.POSTCOPY_ADVISE, None, REPLY), "1c000000 05000000 00000000"),
    (Message(F.POSTCOPY_LISTEN, None, ASKING), "1d000000 09000000 00000000"),
    (Message(F.POSTCOPY_END, user.Ack(), REPLY), "1e000000 05000000 08000000 0000000000000000"),
    (
        Message(F.GET_INFLIGHT_FD, INFLIGHT, REPLY),
        "1f000000 05000000 18000000 0030000000000000 0010000000000000 0200 8000 00000000",
    ),
    (
        Message(F.SET_INFLIGHT_FD, attrs.evolve(INFLIGHT, padding=b"\1\2\3\4")),
        "20000000 01000000 18000000 0030000000000000 0010000000000000 0200 8000 01020304",
    ),
    (Message(F.GPU_SET_SOCKET), "21000000 01000000 00000000"),
    (Message(F.RESET_DEVICE), "22000000 01000000 00000000"),
    (Message(F.VRING_KICK, kernel.VringState(index=1, num=0)), "23000000 01000000 08000000 01000000 00000000"),
    (Message(F.GET_MAX_MEM_SLOTS, user.U64Value(value=32), REPLY), "24000000 05000000 08000000 2000000000000000"),
    (
        Message(F.ADD_MEM_REG, user.SingleRegion(region=REGION), ASKING),
        f"25000000 09000000 28000000 0000000000000000 {REGION_HEX}",
    ),
    (
        Message(F.REM_MEM_REG, user.XenSingleRegion(padding=1, region=XEN)),
        f"26000000 01000000 30000000 0100000000000000 {XEN_HEX}",
    ),
    (Message(F.SET_STATUS, user.U64Value(value=15)), "27000000 01000000 08000000 0f00000000000000"),
    (Message(F.GET_STATUS, user.U64Value(value=15), REPLY), "28000000 05000000 08000000 0f00000000000000"),
    (Message(F.GET_SHARED_OBJECT, OBJECT), "29000000 01000000 10000000 00112233445566778899aabbccddeeff"),
    (Message(F.GET_SHARED_OBJECT, None, REPLY), "29000000 05000000 00000000"),
    (
        Message(F.SET_DEVICE_STATE_FD, user.DeviceStateTransfer(direction=user.TransferDirection.LOAD)),
        "2a000000 01000000 08000000 01000000 00000000",
    ),
    (
        Message(F.SET_DEVICE_STATE_FD, user.DeviceStateReply(status=1), REPLY),
        "2a000000 05000000 08000000 0101000000000000",
    ),
    (Message(F.CHECK_DEVICE_STATE), "2b000000 01000000 00000000"),
    (
        Message(F.GET_SHMEM_CONFIG, SHMEM, REPLY),
        f"2c000000 05000000 08080000 01000000 00000000 {'00' * 16} 0000100000000000 {'00' * 2024}",
    ),
    (Message(B.CONFIG_CHANGE_MSG, None, ASKING), "02000000 09000000 00000000"),
    (Message(B.CONFIG_CHANGE_MSG, user.Ack(), REPLY), "02000000 05000000 08000000 0000000000000000"),
    (
        Message(
            B.IOTLB_MSG,
            kernel.IotlbMessage(iova=1, size=0, uaddr=0, perm=kernel.Access.WO, type=kernel.IotlbType.MISS),
        ),
        f"01000000 01000000 20000000 0100000000000000 {'00' * 16} 02 01 000000000000",
    ),
    (
        Message(B.VRING_HOST_NOTIFIER_MSG, user.VringArea(index=1, size=4096, offset=8192)),
        "03000000 01000000 18000000 0100000000000000 0010000000000000 0020000000000000",
    ),
    (Message(B.VRING_CALL, kernel.VringState(index=1, num=0)), "04000000 01000000 08000000 01000000 00000000"),
    (Message(B.VRING_ERR, kernel.VringState(index=1, num=0)), "05000000 01000000 08000000 01000000 00000000"),
    (Message(B.SHARED_OBJECT_ADD, OBJECT), "06000000 01000000 10000000 00112233445566778899aabbccddeeff"),
    (Message(B.SHARED_OBJECT_REMOVE, OBJECT), "07000000 01000000 10000000 00112233445566778899aabbccddeeff"),
    (Message(B.SHARED_OBJECT_LOOKUP, OBJECT), "08000000 01000000 10000000 00112233445566778899aabbccddeeff"),
    (
        Message(B.SHMEM_MAP, MMAP),
        "09000000 01000000 28000000 03 00000000000000"
        "0010000000000000 0020000000000000 0030000000000000 0100000000000000",
    ),
    (
        # Flags without a name stay.
        Message(B.SHMEM_UNMAP, MMAP, MessageFlags(0x80000001)),
        "0a000000 01000080 28000000 03 00000000000000"
        "0010000000000000 0020000000000000 0030000000000000 0100000000000000",
    ),
]


def channel_of(message: Message) -> Any:
    return "frontend" if isinstance(message.request, F) else "backend"


@pytest.mark.parametrize(("message", "text"), VECTORS, ids=[message.request.name for message, _ in VECTORS])
def test_a_message_by_hand(message: Message, text: str) -> None:
    data = bytes.fromhex(text)
    assert message.encode() == data
    assert Message.decode(data, channel=channel_of(message)) == message


def test_every_payload_has_a_vector() -> None:
    tables = (*user.FRONTEND_PAYLOADS.values(), *user.BACKEND_PAYLOADS.values())
    kinds = {kind for both in tables for kind in (*both.request, *both.reply) if kind is not None}
    assert kinds == {type(message.payload) for message, _ in VECTORS if message.payload is not None}


def test_every_request_has_payloads() -> None:
    assert set(user.FRONTEND_PAYLOADS) == set(F)
    assert set(user.BACKEND_PAYLOADS) == set(B)
    assert [int(request) for request in F] == list(range(1, 45))
    assert [int(request) for request in B] == list(range(1, 11))


def test_the_sizes_are_c_s() -> None:
    """As a compiler says for x86-64."""
    sizes = {
        user.Header: 12,
        user.Log: 16,
        user.SingleRegion: 40,
        user.Config: 12,
        user.VringArea: 24,
        user.Inflight: 24,
        user.SharedObject: 16,
        user.DeviceStateTransfer: 8,
        user.Mmap: 40,
        user.ShmemConfig: 2056,
        user.CryptoSession: 1072,
        user.MemoryTable: 8,
    }
    assert {cls: cls.sizeof() for cls in sizes} == sizes


def test_the_base_of_a_packed_ring_is_two_indices() -> None:
    base = kernel.VringBase(index=0, num=0x8003_0004)
    assert (base.packed_avail, base.packed_used) == ((4, False), (3, True))
    assert kernel.VringBase(index=0, num=0x0001_FFFF).packed_avail == (0x7FFF, True)
    assert kernel.VringBase(index=0, num=0xFFFF).last_avail_idx == 0xFFFF


# ---------------------------------------------------------------------------------------------------------------------
# What is refused.


def where_and_what(error: VMStateError) -> tuple[int | None, str | None, str | None]:
    return error.offset, error.expected, error.found


@pytest.mark.parametrize("data", DISTINCT, ids=range(len(DISTINCT)))
def test_a_message_that_is_cut_or_goes_on(data: bytes) -> None:
    for end in range(len(data)):
        with pytest.raises(TruncatedError) as caught:
            Message.decode(data[:end])
        assert caught.value.needed == (12 if end < 12 else len(data))
    with pytest.raises(DecodeError) as more:
        Message.decode(data + b"\0\0")
    assert where_and_what(more.value) == (len(data), "its end", "2 more bytes")


@pytest.mark.parametrize("data", DISTINCT, ids=range(len(DISTINCT)))
def test_a_size_that_is_not_the_payload_s(data: bytes) -> None:
    message = Message.decode(data)
    for size in range(len(data) + 8):
        changed = data[:8] + size.to_bytes(4, "little") + (data[12:] + bytes(32))[:size]
        try:
            shorter = Message.decode(changed)
        except DecodeError as error:
            assert error.offset == 8
            assert error.found == f"{size} bytes"
        else:
            assert shorter.encode() == changed
            # A few requests have payloads of more than one kind.
            assert size == len(data) - 12 or message.request in (
                F.SET_LOG_BASE,
                F.SET_MEM_TABLE,
                F.ADD_MEM_REG,
                F.GET_CONFIG,
            )


@pytest.mark.parametrize(
    ("text", "channel", "expected"),
    [
        ("01000000 00000000 00000000", "frontend", (4, "1", "0")),
        ("01000000 02000000 00000000", "frontend", (4, "1", "2")),
        ("01000000 07000000 00000000", "frontend", (4, "1", "3")),
        ("00000000 01000000 00000000", "frontend", (0, "1 to 44", "0")),
        ("2d000000 01000000 00000000", "frontend", (0, "1 to 44", "45")),
        ("ffffffff 01000000 00000000", "frontend", (0, "1 to 44", "4294967295")),
        ("0b000000 01000000 00000000", "backend", (0, "1 to 10", "11")),
        ("01000000 01000000 00000000", "middle", (None, "frontend or backend", "'middle'")),
        ("01000000 01000000 04000000 00000000", "frontend", (8, "nothing", "4 bytes")),
        ("02000000 01000000 00000000", "frontend", (8, "U64Value (8 bytes)", "0 bytes")),
        (
            f"25000000 01000000 20000000 {REGION_HEX}",
            "frontend",
            (8, "Ack (8 bytes) or SingleRegion (40 bytes) or XenSingleRegion (48 bytes)", "32 bytes"),
        ),
        (
            # Two regions are said to be in a table that has room for one.
            f"05000000 01000000 28000000 02000000 00000000 {REGION_HEX}",
            "frontend",
            (
                8,
                "Ack (8 bytes) or MemoryTable (8 bytes and 32 for each region or for 8) or "
                "XenMemoryTable (8 bytes and 40 for each region or for 8)",
                "40 bytes",
            ),
        ),
        (
            "19000000 01000000 0e000000 00000000 03000000 00000000 0102",
            "frontend",
            (8, "Config (12 bytes and as many more as its size says)", "14 bytes"),
        ),
        (
            f"16000000 01000000 20000000 {'00' * 24} 00 09 000000000000",
            "frontend",
            (
                37,
                "one of 1 (MISS), 2 (UPDATE), 3 (INVALIDATE), 4 (ACCESS_FAIL), 5 (BATCH_BEGIN), 6 (BATCH_END)",
                "9",
            ),
        ),
        ("2a000000 01000000 08000000 02000000 00000000", "frontend", (12, "one of 0 (SAVE), 1 (LOAD)", "2")),
        ("2a000000 01000000 08000000 00000000 01000000", "frontend", (16, "one of 0 (STOPPED)", "1")),
    ],
)
def test_what_no_message_is(text: str, channel: Any, expected: tuple[int | None, str, str]) -> None:
    with pytest.raises(DecodeError) as caught:
        Message.decode(bytes.fromhex(text), channel=channel)
    assert where_and_what(caught.value) == expected
    assert not isinstance(caught.value, TruncatedError)


@pytest.mark.parametrize(
    ("message", "path", "offset", "expected", "shown"),
    [
        (Message(F.GET_FEATURES, flags=MessageFlags(2)), "flags", 4, "1", "2"),
        (
            Message(F.SET_OWNER, flags=MessageFlags(1 << 32 | 1)),
            "flags",
            4,
            "a number from 0 to 4294967295",
            "<MessageFlags.VERSION_1|4294967296: 4294967297>",
        ),
        (Message(F.SET_OWNER, user.Ack()), "payload", 12, "nothing", "Ack"),
        (Message(F.SET_FEATURES), "payload", 12, "U64Value (8 bytes)", "nothing"),
        (
            Message(F.GET_VRING_BASE, kernel.VringBase(index=0, num=0)),
            "payload",
            12,
            "VringState (8 bytes)",
            "VringBase",
        ),
        (
            Message(F.SET_FEATURES, user.U64Value(value=1 << 64)),
            "value",
            12,
            "a number from 0 to 18446744073709551615",
            "18446744073709551616",
        ),
        (
            Message(F.SET_MEM_TABLE, user.MemoryTable(regions=(REGION, attrs.evolve(REGION, memory_size=-1)))),
            "regions[1].memory_size",
            60,
            "a number from 0 to 18446744073709551615",
            "-1",
        ),
        (
            Message(F.SET_MEM_TABLE, user.MemoryTable(regions=(XEN,))),
            "regions[0]",
            20,
            "an object of MemoryRegion",
            "a XenMemoryRegion",
        ),
        (Message(F.SET_MEM_TABLE, user.MemoryTable(regions=None)), "regions", 20, "a tuple", "None"),  # type: ignore[arg-type]
        (Message(F.SEND_RARP, user.Rarp(mac=b"RTBAH")), "mac", 12, "6 bytes", "b'RTBAH'"),
        (Message(F.SET_CONFIG, user.Config(offset=0, region="x")), "region", 24, "bytes", "'x'"),  # type: ignore[arg-type]
        (Message(F.GET_SHARED_OBJECT, user.SharedObject(uuid=5)), "uuid", 12, "a UUID", "5"),  # type: ignore[arg-type]
        (
            Message(F.SET_DEVICE_STATE_FD, user.DeviceStateTransfer(direction=2)),  # type: ignore[arg-type]
            "direction",
            12,
            "one of 0 (SAVE), 1 (LOAD)",
            "2",
        ),
        (
            Message(F.CREATE_CRYPTO_SESSION, user.CryptoSession(op_code=0x404, session=SYMMETRIC)),
            "session",
            20,
            "an object of AsymmetricSession",
            "a SymmetricSession",
        ),
        (
            Message(F.GET_SHMEM_CONFIG, user.ShmemConfig(nregions=1, memory_sizes=(1,)), REPLY),
            "memory_sizes",
            20,
            "256 elements",
            "(1,)",
        ),
    ],
)
def test_what_cannot_be_written(message: Message, path: str, offset: int, expected: str, shown: str) -> None:
    with pytest.raises(EncodeError) as caught:
        message.encode()
    assert caught.value.path == path
    assert where_and_what(caught.value) == (offset, expected, shown)


@pytest.mark.parametrize(
    "table",
    [
        user.MemoryTable(regions=()),
        user.MemoryTable(regions=(REGION,), spare=b"\0"),
        user.MemoryTable(regions=(REGION,) * 8, spare=bytes(32)),
        user.XenMemoryTable(regions=()),
    ],
)
def test_a_table_that_would_be_read_as_something_else(table: Structure) -> None:
    with pytest.raises(EncodeError, match="the payload is none of SET_MEM_TABLE"):
        Message(F.SET_MEM_TABLE, table).encode()


def test_spare_bytes_are_bytes() -> None:
    with pytest.raises(EncodeError, match=r"spare: .* at offset 0x28 \(expected bytes, found 3\)"):
        user.MemoryTable(regions=(REGION,), spare=3).encode()  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------------------------
# Linux's vhost.

# The numbers that a C compiler has for the ioctls, on x86-64.
IOCTLS = {
    "VHOST_GET_FEATURES": 0x8008AF00,
    "VHOST_SET_FEATURES": 0x4008AF00,
    "VHOST_SET_OWNER": 0xAF01,
    "VHOST_RESET_OWNER": 0xAF02,
    "VHOST_SET_MEM_TABLE": 0x4008AF03,
    "VHOST_SET_LOG_BASE": 0x4008AF04,
    "VHOST_SET_LOG_FD": 0x4004AF07,
    "VHOST_NEW_WORKER": 0x8004AF08,
    "VHOST_FREE_WORKER": 0x4004AF09,
    "VHOST_SET_VRING_NUM": 0x4008AF10,
    "VHOST_SET_VRING_ADDR": 0x4028AF11,
    "VHOST_SET_VRING_BASE": 0x4008AF12,
    "VHOST_GET_VRING_BASE": 0xC008AF12,
    "VHOST_SET_VRING_ENDIAN": 0x4008AF13,
    "VHOST_GET_VRING_ENDIAN": 0x4008AF14,
    "VHOST_ATTACH_VRING_WORKER": 0x4008AF15,
    "VHOST_GET_VRING_WORKER": 0xC008AF16,
    "VHOST_SET_VRING_KICK": 0x4008AF20,
    "VHOST_SET_VRING_CALL": 0x4008AF21,
    "VHOST_SET_VRING_ERR": 0x4008AF22,
    "VHOST_SET_VRING_BUSYLOOP_TIMEOUT": 0x4008AF23,
    "VHOST_GET_VRING_BUSYLOOP_TIMEOUT": 0x4008AF24,
    "VHOST_SET_BACKEND_FEATURES": 0x4008AF25,
    "VHOST_GET_BACKEND_FEATURES": 0x8008AF26,
    "VHOST_NET_SET_BACKEND": 0x4008AF30,
    "VHOST_SCSI_SET_ENDPOINT": 0x40E8AF40,
    "VHOST_SCSI_CLEAR_ENDPOINT": 0x40E8AF41,
    "VHOST_SCSI_GET_ABI_VERSION": 0x4004AF42,
    "VHOST_SCSI_SET_EVENTS_MISSED": 0x4004AF43,
    "VHOST_SCSI_GET_EVENTS_MISSED": 0x4004AF44,
    "VHOST_VSOCK_SET_GUEST_CID": 0x4008AF60,
    "VHOST_VSOCK_SET_RUNNING": 0x4004AF61,
    "VHOST_VDPA_GET_DEVICE_ID": 0x8004AF70,
    "VHOST_VDPA_GET_STATUS": 0x8001AF71,
    "VHOST_VDPA_SET_STATUS": 0x4001AF72,
    "VHOST_VDPA_GET_CONFIG": 0x8008AF73,
    "VHOST_VDPA_SET_CONFIG": 0x4008AF74,
    "VHOST_VDPA_SET_VRING_ENABLE": 0x4008AF75,
    "VHOST_VDPA_GET_VRING_NUM": 0x8002AF76,
    "VHOST_VDPA_SET_CONFIG_CALL": 0x4004AF77,
    "VHOST_VDPA_GET_IOVA_RANGE": 0x8010AF78,
    "VHOST_VDPA_GET_CONFIG_SIZE": 0x8004AF79,
    "VHOST_VDPA_GET_AS_NUM": 0x8004AF7A,
    "VHOST_VDPA_GET_VRING_GROUP": 0xC008AF7B,
    "VHOST_VDPA_SET_GROUP_ASID": 0x4008AF7C,
    "VHOST_VDPA_SUSPEND": 0xAF7D,
    "VHOST_VDPA_RESUME": 0xAF7E,
    "VHOST_VDPA_GET_VRING_DESC_GROUP": 0xC008AF7F,
    "VHOST_VDPA_GET_VQS_COUNT": 0x8004AF80,
    "VHOST_VDPA_GET_GROUP_NUM": 0x8004AF81,
    "VHOST_VDPA_GET_VRING_SIZE": 0xC008AF82,
    "VHOST_GET_FEATURES_ARRAY": 0x8008AF83,
    "VHOST_SET_FEATURES_ARRAY": 0x4008AF83,
    "VHOST_SET_FORK_FROM_OWNER": 0x4001AF84,
    "VHOST_GET_FORK_FROM_OWNER": 0x8001AF85,
}


def test_the_numbers_of_the_ioctls() -> None:
    assert {name: int(ioctl) for name, ioctl in kernel.Ioctl.__members__.items()} == IOCTLS
    suspend = kernel.Ioctl(0xAF7D)
    assert (suspend.name, suspend.direction, suspend.nr, suspend.argument) == ("VHOST_VDPA_SUSPEND", 0, 0x7D, None)
    assert kernel.Ioctl.VHOST_VDPA_SET_GROUP_ASID.argument is kernel.GroupAsid


IOTLB = kernel.IotlbMessage(
    iova=0x10, size=0x20, uaddr=0x30, perm=kernel.Access.RO, type=kernel.IotlbType.INVALIDATE, padding=b"\1" * 6
)
IOTLB_HEX = "1000000000000000 2000000000000000 3000000000000000 01 03 010101010101"
KERNEL_VECTORS: list[tuple[Structure, str]] = [
    (kernel.VringState(index=1, num=2), "01000000 02000000"),
    (kernel.VringFile(index=1, fd=kernel.VHOST_FILE_UNBIND), "01000000 ffffffff"),
    (kernel.VringGroup(index=1, num=2), "01000000 02000000"),
    (kernel.GroupAsid(index=1, num=2), "01000000 02000000"),
    (kernel.WorkerState(worker_id=7), "07000000"),
    (kernel.VringWorker(index=1, worker_id=7), "01000000 07000000"),
    (
        kernel.Memory(
            regions=(
                kernel.MemoryRegion(guest_phys_addr=1, memory_size=2, userspace_addr=3),
                kernel.MemoryRegion(guest_phys_addr=4, memory_size=5, userspace_addr=6, flags_padding=7),
            )
        ),
        "02000000 00000000" + "".join(f"{number:02x}00000000000000" for number in (1, 2, 3, 0, 4, 5, 6, 7)),
    ),
    (kernel.Memory(regions=(), padding=3), "00000000 03000000"),
    (IOTLB, IOTLB_HEX),
    (kernel.MessageV1(iotlb=IOTLB), f"01000000 00000000 {IOTLB_HEX} {'00' * 32}"),
    (kernel.MessageV2(asid=4, iotlb=IOTLB, reserved=b"\2" * 32), f"02000000 04000000 {IOTLB_HEX} {'02' * 32}"),
    (kernel.VdpaConfig(off=6, buf=b"abc"), "06000000 03000000 616263"),
    (kernel.IovaRange(first=0x1000, last=(1 << 64) - 1), "0010000000000000 ffffffffffffffff"),
    (kernel.FeaturesArray(features=(1, 2)), "0200000000000000 0100000000000000 0200000000000000"),
    (
        kernel.ScsiTarget(abi_version=1, vhost_wwpn=b"naa.5".ljust(224, b"\0"), vhost_tpgt=1),
        f"01000000 6e61612e35 {'00' * 219} 0100 0000",
    ),
    (Desc(addr=1, len=2, flags=DescFlags.NEXT, next=3), "0100000000000000 02000000 0100 0300"),
    (PackedDesc(addr=1, len=2, id=3, flags=DescFlags.AVAIL), "0100000000000000 02000000 0300 8000"),
    (vring.PackedDescEvent(off_wrap=0x8005, flags=vring.EventFlags.DESC), "0580 0200"),
    (UsedElem(id=1, len=2), "01000000 02000000"),
]


@pytest.mark.parametrize(("value", "text"), KERNEL_VECTORS, ids=lambda value: type(value).__name__)
def test_a_structure_by_hand(value: Structure, text: str) -> None:
    data = bytes.fromhex(text)
    assert value.encode() == data
    assert type(value).decode(b"\xee" * 3 + data + b"\xee" * 5, 3) == value
    for end in range(len(data)):
        with pytest.raises(TruncatedError) as caught:
            type(value).decode(b"\xee" * 3 + data[:end], 3)
        assert 3 + end < caught.value.needed <= 3 + len(data)
    with pytest.raises(DecodeError, match="nothing begins there at offset -0x1"):
        type(value).decode(data, -1)


def test_the_sizes_of_the_kernel_s_structures() -> None:
    """As a compiler says for x86-64; an array at the end counts for nothing."""
    sizes = {
        kernel.VringAddr: 40,
        kernel.Memory: 8,
        kernel.MemoryRegion: 32,
        kernel.IotlbMessage: 32,
        kernel.MessageV1: 72,
        kernel.MessageV2: 72,
        kernel.FeaturesArray: 8,
        kernel.ScsiTarget: 232,
        kernel.VdpaConfig: 8,
        kernel.IovaRange: 16,
        Desc: 16,
        PackedDesc: 16,
        vring.PackedDescEvent: 4,
        UsedElem: 8,
    }
    assert {cls: cls.sizeof() for cls in sizes} == sizes


def test_names_for_what_a_ring_s_state_says() -> None:
    assert kernel.VringGroup(index=1, num=2).group == 2
    of_group = kernel.GroupAsid(index=1, num=2)
    assert (of_group.group, of_group.asid) == (1, 2)
    assert kernel.Memory.decode(bytes(8)).nregions == 0


def test_an_array_that_is_longer_than_the_data() -> None:
    with pytest.raises(TruncatedError) as caught:
        kernel.Memory.decode(b"\xff" * 8 + bytes(100))
    assert where_and_what(caught.value) == (8, f"{0xFFFFFFFF * 32} bytes", "100")


# ---------------------------------------------------------------------------------------------------------------------
# Rings.

NO_FEATURES = RingFeature(0)


def test_split_rings() -> None:
    avail = Avail(flags=vring.AvailFlags.NO_INTERRUPT, idx=0xFFFF, ring=(3, 2, 1, 0), used_event=7)
    assert avail.encode().hex() == "0100ffff03000200010000000700"
    assert Avail.decode(b"-" + avail.encode(), 1, 4, RingFeature.EVENT_IDX) == avail
    without = attrs.evolve(avail, used_event=None)
    assert Avail.decode(avail.encode(), 0, 4, NO_FEATURES) == without
    assert without.encode() == avail.encode()[:-2]
    used = Used(flags=vring.UsedFlags(0), idx=2, ring=(UsedElem(id=1, len=512), UsedElem(id=0, len=1)), avail_event=9)
    assert used.encode().hex() == "00000200010000000002000000000000010000000900"
    assert Used.decode(used.encode(), 0, 2, RingFeature(1 << 32 | RingFeature.EVENT_IDX)) == used


@pytest.mark.parametrize("features", [NO_FEATURES, RingFeature.EVENT_IDX])
@pytest.mark.parametrize("ring", [Avail, Used])
def test_a_ring_that_is_cut(ring: type[Avail] | type[Used], features: RingFeature) -> None:
    size = ring.sizeof(4, features)
    assert ring.decode(bytes(size), 0, 4, features).encode() == bytes(size)
    for end in range(size):
        with pytest.raises(TruncatedError) as caught:
            ring.decode(bytes(end), 0, 4, features)
        assert (caught.value.needed, caught.value.found) == (size, f"{end}")


@pytest.mark.parametrize("num", [0, 3, 65536, -4])
def test_no_size_of_a_split_queue(num: int) -> None:
    for attempt in (
        lambda: Avail.decode(bytes(99), 0, num, NO_FEATURES),
        lambda: DescTable.decode(bytes(99), 0, num),
        lambda: vring.split_sizes(num, NO_FEATURES),
        lambda: vring.legacy_layout(num, 4096),
    ):
        with pytest.raises(DecodeError) as caught:
            attempt()
        assert where_and_what(caught.value) == (None, "a power of 2 up to 32768", f"{num}")


@pytest.mark.parametrize("num", [0, 32769, -1])
def test_no_size_of_a_packed_queue(num: int) -> None:
    for attempt in (lambda: PackedRing.decode(bytes(99), 0, num), lambda: vring.packed_sizes(num)):
        with pytest.raises(DecodeError, match="no size of a packed queue"):
            attempt()


def test_sizes_of_queues() -> None:
    """The largest are those that the kernel's vring_size has: 16 n, 6 + 2 n and 6 + 8 n."""
    assert vring.split_sizes(256, RingFeature.EVENT_IDX) == vring.QueueSizes(4096, 518, 2054)
    assert vring.packed_sizes(7) == vring.QueueSizes(112, 4, 4)
    assert vring.legacy_layout(256, 4096) == vring.LegacyQueue(avail=4096, used=8192, end=8192 + 2054)
    assert vring.legacy_layout(8, 64) == vring.LegacyQueue(avail=128, used=192, end=192 + 70)
    with pytest.raises(DecodeError, match=r"expected a power of 2, found 48"):
        vring.legacy_layout(8, 48)


def table(*links: int, indirect: tuple[int, ...] = ()) -> bytes:
    """A table in which descriptor n goes on with links[n], and ends a chain where that is negative."""
    return b"".join(
        Desc(
            addr=0x1000 * number,
            len=16,
            flags=DescFlags(link >= 0) | (DescFlags.INDIRECT if number in indirect else DescFlags(0)),
            next=max(link, 0),
        ).encode()
        for number, link in enumerate(links)
    )


def test_what_begins_behind_the_data_has_no_bytes() -> None:
    with pytest.raises(TruncatedError) as caught:
        kernel.VringState.decode(b"1234", 9)
    assert (caught.value.offset, caught.value.found) == (9, "0")


def test_a_chain_of_descriptors() -> None:
    descs = DescTable.decode(b"ab" + table(2, -1, 1, -1), 2, 4)
    assert [desc.addr for desc in descs.chain(0)] == [0, 0x2000, 0x1000]
    assert [desc.addr for desc in descs.chain(3)] == [0x3000]
    assert descs.encode() == table(2, -1, 1, -1)
    assert descs == DescTable.decode(descs.encode(), 0, 4)
    wrong = DescTable((*descs.descs[:3], attrs.evolve(descs.descs[3], addr=-1)))
    with pytest.raises(EncodeError) as caught:
        wrong.encode()
    assert caught.value.offset == 3 * 16


def test_an_indirect_table() -> None:
    data = table(1, -1, indirect=(1,))
    pointing = DescTable.decode(data, 0, 2).chain(0)[-1]
    inner = DescTable.decode_indirect(table(-1), 0, pointing)
    assert [desc.addr for desc in inner.chain()] == [0]
    with pytest.raises(DecodeError, match="the descriptor has no table"):
        DescTable.decode_indirect(data, 0, inner.descs[0])
    for size in (0, 17, 16 * 32769):
        with pytest.raises(DecodeError) as caught:
            DescTable.decode_indirect(data, 0, attrs.evolve(pointing, len=size))
        assert where_and_what(caught.value) == (0, "a multiple of 16 bytes, at most 524288", f"{size}")
    with pytest.raises(TruncatedError):
        DescTable.decode_indirect(data, 0, attrs.evolve(pointing, len=48))


@pytest.mark.parametrize(
    ("data", "head", "expected"),
    [
        (table(1, 2, 0, -1), 0, ("a chain of descriptors comes back to itself", "desc[2].next", 46, "0")),
        (table(0, -1), 0, ("a chain of descriptors comes back to itself", "desc[0].next", 14, "0")),
        (table(1, 2), 0, ("a chain of descriptors leaves the table", "desc[1].next", 30, "2")),
        (table(1, -1), 2, ("a chain of descriptors leaves the table", None, 0, "2")),
        (table(1, -1), -1, ("a chain of descriptors leaves the table", None, 0, "-1")),
        (
            table(1, -1, indirect=(0,)),
            0,
            ("a chain goes on behind an indirect table", "desc[0].flags", 12, "<DescFlags.NEXT|INDIRECT: 5>"),
        ),
    ],
)
def test_a_chain_that_is_none(data: bytes, head: int, expected: tuple[str, str | None, int, str]) -> None:
    for before in (0, 5):
        descs = DescTable.decode(bytes(before) + data, before, len(data) // 16)
        with pytest.raises(DecodeError) as caught:
            descs.chain(head)
        error = caught.value
        assert error.offset is not None
        assert (error.message, error.path, error.offset - before, error.found) == expected


def packed(*flags: DescFlags) -> bytes:
    return b"".join(PackedDesc(addr=0, len=1, id=number, flags=each).encode() for number, each in enumerate(flags))


def test_a_packed_ring() -> None:
    end = DescFlags(0)
    data = packed(end, end, DescFlags.NEXT, DescFlags.NEXT)
    ring = PackedRing.decode(b"x" + data, 1, 4)
    assert [desc.id for desc in ring.chain(2)] == [2, 3, 0]
    assert ring.encode() == data
    with pytest.raises(DecodeError, match=r"expected 0 to 3, found 4"):
        ring.chain(4)
    with pytest.raises(DecodeError) as caught:
        PackedRing.decode(packed(DescFlags.NEXT, DescFlags.NEXT), 0, 2).chain(1)
    assert where_and_what(caught.value) == (30, "a chain of at most 2 descriptors", "NEXT in all of them")
    with pytest.raises(TruncatedError):
        PackedRing.decode(data, 0, 5)


@pytest.mark.parametrize(
    ("flags", "available", "used"),
    [
        (DescFlags(0), (), (False,)),
        (DescFlags.AVAIL, (True,), ()),
        (DescFlags.USED, (False,), ()),
        (DescFlags.AVAIL | DescFlags.USED | DescFlags.WRITE, (), (True,)),
    ],
)
def test_whose_a_packed_descriptor_is(flags: DescFlags, available: tuple[bool, ...], used: tuple[bool, ...]) -> None:
    desc = PackedDesc(addr=0, len=0, id=0, flags=flags)
    assert tuple(wrap for wrap in (False, True) if desc.is_available(wrap)) == available
    assert tuple(wrap for wrap in (False, True) if desc.is_used(wrap)) == used


def test_the_event_of_a_packed_ring() -> None:
    event = vring.PackedDescEvent.decode(bytes.fromhex("05800200"))
    assert (event.offset, event.wrap_counter, event.flags) == (5, True, vring.EventFlags.DESC)


# ---------------------------------------------------------------------------------------------------------------------
# What is in streams.

PACKED = "virtio_packed_offered"


def places(*used: int) -> list[int]:
    return [*used, *[0] * (1024 - len(used))]


def boot_read(**more: Any) -> VirtQueueElement:
    """SeaBIOS reads the first sector of a virtio-blk disk: a header out, a sector and a status byte in."""
    return VirtQueueElement(
        index=0,
        out_num=1,
        in_num=2,
        in_addr=places(0x7C00, 0xE9417),
        out_addr=places(0xE9418),
        in_sg=[IOVec(iov_len=size) for size in places(512, 1)],
        out_sg=[IOVec(iov_len=size) for size in places(16)],
        **more,
    )


# What QEMU 7.2 wrote when that read failed and stopped the machine: the disk with packed=off, and with packed=on.
WRITTEN = {
    False: (49168, "a3f813d1f1f98a7b0b62bd9ef79d5bc2871c4c74b621af3b3eb039b867443586"),
    True: (49172, "847422be0c7727b2e5618876903442582299dc858dfa6ba7aaae79c4057cfd00"),
}


@pytest.mark.parametrize("offered", [False, True])
def test_an_element_as_qemu_wrote_it(offered: bool) -> None:
    element = boot_read(ndescs=1) if offered else boot_read()
    data = VirtQueueElement.vmsd.encode(element, facts={PACKED: offered})
    assert (len(data), hashlib.sha256(data).hexdigest()) == WRITTEN[offered]
    again = VirtQueueElement.vmsd.decode(data, facts={PACKED: offered})
    assert again == element
    assert VirtQueueElement.vmsd.decode(data) == element  # either way it has another length


def test_what_qemu_does_not_read_of_an_element_stays() -> None:
    data = bytearray(VirtQueueElement.vmsd.encode(boot_read(), facts={PACKED: False}))
    data[12:16] = b"\1\2\3\4"
    data[16 + 16384 : 16 + 16384 + 8] = b"\5" * 8
    element = VirtQueueElement.vmsd.decode(bytes(data))
    assert element == boot_read()
    assert residue_of(element)
    assert VirtQueueElement.vmsd.encode(element) == data


@pytest.mark.parametrize("name", ["in_num", "out_num"])
def test_an_element_has_at_most_1024_buffers_of_a_kind(name: str) -> None:
    element = boot_read()
    setattr(element, name, 1025)
    with pytest.raises(EncodeError, match="at most 1024 buffers"):
        VirtQueueElement.vmsd.encode(element, facts={PACKED: False})


def test_an_element_of_a_big_endian_host() -> None:
    data = VirtQueueElement.vmsd.encode(boot_read(), facts={PACKED: False, "host_endian": "big"})
    assert data[:12].hex() == "000000000000000100000002"
    assert VirtQueueElement.vmsd.decode(data, facts={"host_endian": "big"}) == boot_read()


def test_the_inflight_region() -> None:
    region = VhostInflightRegion(size=5, queue_size=128, buffer=VhostInflightBuffer(addr=b"apple"))
    data = VhostInflightRegion.vmsd.encode(region)
    name = b"vhost-inflight-region/buffer"
    assert data == bytes.fromhex("0000000000000005 0080 05 1c") + name + bytes(4) + b"apple"
    assert VhostInflightRegion.vmsd.decode(data) == region
    with pytest.raises(TruncatedError):
        VhostInflightRegion.vmsd.decode(data[:-1])


def test_streams_do_not_need_construct() -> None:
    code = (
        "import sys, vmstate.devices.vhost.element, vmstate.devices.vhost.inflight; "
        "print('construct' in sys.modules, 'vmstate.devices.vhost.abi' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


# ---------------------------------------------------------------------------------------------------------------------
# Any bytes.

SEARCH = settings(max_examples=400, deadline=None, derandomize=True)
CHANNEL = st.sampled_from(["frontend", "backend"])
VALID = DISTINCT + [bytes.fromhex(text) for _, text in VECTORS]


def comes_back(read: Callable[[bytes], Any], data: bytes) -> None:
    """Read and written again it is the same, or it is an error of the library."""
    try:
        value = read(data)
    except VMStateError as error:
        assert str(error)
        return
    written = value.encode()
    assert data[: len(written)] == written
    assert read(written) == value


@pytest.mark.slow
@SEARCH
@given(st.binary(max_size=64), CHANNEL)
def test_any_bytes_are_a_message_or_an_error(data: bytes, channel: Any) -> None:
    comes_back(lambda data: Message.decode(data, channel=channel), data)


@pytest.mark.slow
@SEARCH
@given(st.integers(0, 46), st.integers(0, 15), st.binary(max_size=400), CHANNEL)
def test_any_payload_is_a_message_or_an_error(request: int, flags: int, payload: bytes, channel: Any) -> None:
    data = header(request, flags, len(payload)) + payload
    comes_back(lambda data: Message.decode(data, channel=channel), data)


@SEARCH
@given(st.sampled_from(VALID), st.integers(0, 60), st.integers(0, 255), CHANNEL)
def test_a_message_with_a_byte_changed(data: bytes, place: int, byte: int, channel: Any) -> None:
    changed = bytearray(data)
    changed[place % len(data)] = byte
    comes_back(lambda data: Message.decode(data, channel=channel), bytes(changed))


STRUCTURES = sorted(
    {
        value
        for module in (kernel, user, vring)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Structure) and hasattr(value, "layout")
    },
    key=lambda cls: f"{cls.__module__}.{cls.__name__}",
)


@SEARCH
@given(st.sampled_from(STRUCTURES), st.binary(max_size=96), st.integers(-1, 8))
def test_any_bytes_are_a_structure_or_an_error(cls: type[Structure], data: bytes, offset: int) -> None:
    try:
        value = cls.decode(data, offset)
    except VMStateError:
        return
    written = value.encode()
    assert data[offset : offset + len(written)] == written


@SEARCH
@given(
    st.binary(max_size=256),
    st.integers(-1, 17),
    st.integers(-2, 20),
    st.sampled_from([NO_FEATURES, RingFeature.EVENT_IDX]),
)
def test_any_bytes_are_rings_or_an_error(data: bytes, num: int, head: int, features: RingFeature) -> None:
    reads: list[Callable[[bytes], Any]] = [
        lambda data: Avail.decode(data, 0, num, features),
        lambda data: Used.decode(data, 0, num, features),
        lambda data: DescTable.decode(data, 0, num),
        lambda data: PackedRing.decode(data, 0, num),
    ]
    for read in reads:
        comes_back(read, data)
    for chains in reads[2:]:
        try:
            assert len(chains(data).chain(head)) <= num
        except VMStateError as error:
            assert str(error)

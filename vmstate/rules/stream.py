"""What QEMU minds in a stream beside its devices, a table each: commands, RAM records, capabilities, RAM blocks.

Each entry says from which release on QEMU has it (`since`; None: every release that is known). Facts from QEMU's
migration/savevm.c (qemu_loadvm_state, loadvm_process_command), migration/ram.c (ram_load_precopy), system/physmem.c,
qapi/migration.json and the releases that changed them.
"""

from __future__ import annotations

from collections.abc import Mapping

from vmstate.stream.events import CommandType
from vmstate.vmsd.data import Data
from vmstate.vmsd.release import Release

ANY_INSTANCE = 0xFFFFFFFF
"""The instance_id that stands for no instance in particular; also the alias_id of what has none."""


class CommandRule(Data):
    """What QEMU minds in a command: the length of its data where that is fixed, and since when it is known.

    `plain`: it has a place in a load that is in no postcopy and has no return path.
    """

    size: int | None = None
    since: Release | None = None
    plain: bool = True


COMMANDS: Mapping[int, CommandRule] = {
    CommandType.OPEN_RETURN_PATH: CommandRule(0),
    CommandType.PING: CommandRule(4, plain=False),
    CommandType.POSTCOPY_ADVISE: CommandRule(plain=False),
    CommandType.POSTCOPY_LISTEN: CommandRule(0, plain=False),
    CommandType.POSTCOPY_RUN: CommandRule(0, plain=False),
    CommandType.POSTCOPY_RAM_DISCARD: CommandRule(plain=False),
    CommandType.PACKAGED: CommandRule(4, plain=False),
    CommandType.ENABLE_COLO: CommandRule(0),
    # Where it is out of place it is passed by.
    CommandType.POSTCOPY_RESUME: CommandRule(0),
    CommandType.RECV_BITMAP: CommandRule(since=Release(2, 12), plain=False),
    CommandType.SWITCHOVER_START: CommandRule(0, since=Release(10, 0)),
}
"""By the number of the command."""


def is_known(command: int, release: Release | None) -> bool:
    """Whether a release knows a command; one that is not told is taken to."""
    since = COMMANDS[command].since if command in COMMANDS else None
    return release is None or since is None or release >= since


def refused_command(command: int, size: int, release: Release | None) -> str | None:
    """Why a destination that is in no postcopy refuses a command; None where it goes on."""
    rule = COMMANDS.get(command, CommandRule())
    if not is_known(command, release):
        return "the destination does not know the command"
    if rule.size is not None and size != rule.size:
        return "a command of the wrong length"
    if command == CommandType.POSTCOPY_ADVISE and size == 0:
        # Of dirty bitmaps alone.
        return None
    return None if rule.plain else "a command that has no place here"


class RecordRule(Data):
    """What a record of RAM needs at the destination: a release, a migration capability; `why` it is refused."""

    why: str
    since: Release | None = None
    capability: str | None = None


RECORDS: Mapping[str, RecordRule] = {
    "hook": RecordRule("a hook, and no RDMA", since=Release(8, 2)),
    "multifd flush": RecordRule("the destination does not know the record", since=Release(8, 1)),
    "compressed": RecordRule("a compressed page, and the capability is off", capability="compress"),
}
"""By the name of the record. Before 8.2 the hook of RDMA is refused where there is no RDMA, then it is passed by."""

ZERO_FILL_UNTIL = Release(8, 2)
"""The first release that refuses a zero page with another fill byte."""

CAPABILITIES = frozenset(
    (
        *("xbzrle", "rdma-pin-all", "auto-converge", "zero-blocks", "compress", "events", "postcopy-ram", "x-colo"),
        *("release-ram", "block", "return-path", "pause-before-switchover", "multifd", "dirty-bitmaps"),
        *("postcopy-blocktime", "late-block-activate", "x-ignore-shared", "validate-uuid", "background-snapshot"),
        *("zero-copy-send", "postcopy-preempt", "switchover-ack", "dirty-limit", "mapped-ram"),
    )
)
"""All capabilities that a release knows or knew: one that none does is refused."""

MATCHED_CAPABILITIES = ("x-ignore-shared", "mapped-ram")
"""The capabilities that must be on, or off, on both sides (should_validate_capability)."""

HOST_PAGE = 4096
"""RAM blocks are as large as their size rounded up to this."""

RESIZABLE = "/rom@"
"""How the names of RAM blocks begin that take the size of the source's, up to their own largest."""

RESIZABLE_UP_TO: Mapping[str, int] = {
    "/rom@etc/acpi/tables": 0x200000,
    "/rom@etc/table-loader": 0x10000,
    "/rom@etc/acpi/rsdp": 0x1000,
}
"""The largest size of those for which it is more than they have."""

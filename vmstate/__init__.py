"""vmstate: the bytes in which QEMU saves a machine.

A device's state is declared once, as a `VMStateDescription`; from that declaration this library reads, writes and
checks real QEMU migration streams, byte-exact.

    import vmstate

    stream = vmstate.load("guest.mig")
    stream["serial"].state["state"]["divider"]
    stream.save("copy.mig")

Everything public is here; the modules inside may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmstate.codec import (
        Codec as Codec,
    )
    from vmstate.codec import (
        Records as Records,
    )
    from vmstate.codec import (
        TraceEntry as TraceEntry,
    )
    from vmstate.codec import (
        load_state as load_state,
    )
    from vmstate.codec import (
        save_state as save_state,
    )
    from vmstate.compare.compat import (
        Compatibility as Compatibility,
    )
    from vmstate.compare.compat import (
        compat as compat,
    )
    from vmstate.compare.cost import (
        Cost as Cost,
    )
    from vmstate.compare.cost import (
        cost as cost,
    )
    from vmstate.compare.diff import (
        Change as Change,
    )
    from vmstate.compare.diff import (
        Difference as Difference,
    )
    from vmstate.compare.diff import (
        diff as diff,
    )
    from vmstate.compare.explain import (
        Explained as Explained,
    )
    from vmstate.compare.explain import (
        Explanation as Explanation,
    )
    from vmstate.compare.explain import (
        explain as explain,
    )
    from vmstate.compare.findings import (
        CompatFinding as CompatFinding,
    )
    from vmstate.compare.schemas import (
        Schema as Schema,
    )
    from vmstate.compare.schemas import (
        open_schema as open_schema,
    )
    from vmstate.compare.target import (
        Target as Target,
    )
    from vmstate.compare.target import (
        open_target as open_target,
    )
    from vmstate.compare.target import (
        write_target as write_target,
    )
    from vmstate.early.items import (
        Item as Item,
    )
    from vmstate.early.items import (
        ItemClass as ItemClass,
    )
    from vmstate.early.items import (
        ItemTable as ItemTable,
    )
    from vmstate.early.items import (
        table_of as table_of,
    )
    from vmstate.early.policy import (
        PerItem as PerItem,
    )
    from vmstate.early.policy import (
        Plan as Plan,
    )
    from vmstate.early.policy import (
        Policy as Policy,
    )
    from vmstate.early.policy import (
        Reason as Reason,
    )
    from vmstate.early.policy import (
        RfcV2 as RfcV2,
    )
    from vmstate.early.snapshot import (
        Delta as Delta,
    )
    from vmstate.early.snapshot import (
        DirtyBits as DirtyBits,
    )
    from vmstate.early.snapshot import (
        Snapshot as Snapshot,
    )
    from vmstate.early.streams import (
        DevicePlan as DevicePlan,
    )
    from vmstate.early.streams import (
        apply_record as apply_record,
    )
    from vmstate.early.streams import (
        plan_streams as plan_streams,
    )
    from vmstate.early.streams import (
        record_streams as record_streams,
    )
    from vmstate.errors import (
        DecodeError as DecodeError,
    )
    from vmstate.errors import (
        DescriptionError as DescriptionError,
    )
    from vmstate.errors import (
        EarlyError as EarlyError,
    )
    from vmstate.errors import (
        EncodeError as EncodeError,
    )
    from vmstate.errors import (
        MachineError as MachineError,
    )
    from vmstate.errors import (
        PathError as PathError,
    )
    from vmstate.errors import (
        QueryError as QueryError,
    )
    from vmstate.errors import (
        SchemaError as SchemaError,
    )
    from vmstate.errors import (
        StreamError as StreamError,
    )
    from vmstate.errors import (
        TruncatedError as TruncatedError,
    )
    from vmstate.errors import (
        VMStateError as VMStateError,
    )
    from vmstate.lab.capture import (
        capture as capture,
    )
    from vmstate.lab.capture import (
        capture_running as capture_running,
    )
    from vmstate.lab.capture import (
        capture_started as capture_started,
    )
    from vmstate.lab.capture import (
        read_provenance as read_provenance,
    )
    from vmstate.lab.incoming import (
        Destination as Destination,
    )
    from vmstate.lab.incoming import (
        Outcome as Outcome,
    )
    from vmstate.lab.incoming import (
        load_into_qemu as load_into_qemu,
    )
    from vmstate.lab.live import (
        Sink as Sink,
    )
    from vmstate.lab.live import (
        send as send,
    )
    from vmstate.lab.refusal import (
        explain_refusal as explain_refusal,
    )
    from vmstate.lab.target import (
        target_of as target_of,
    )
    from vmstate.qemu.machine import (
        Machine as Machine,
    )
    from vmstate.qemu.machine import (
        Qemu as Qemu,
    )
    from vmstate.qemu.machine import (
        find_qemu as find_qemu,
    )
    from vmstate.qemu.monitor import (
        Monitor as Monitor,
    )
    from vmstate.query.ask import (
        Answer as Answer,
    )
    from vmstate.query.ask import (
        Source as Source,
    )
    from vmstate.query.ask import (
        ask as ask,
    )
    from vmstate.schema.dump import (
        Dump as Dump,
    )
    from vmstate.schema.dump import (
        read_dump as read_dump,
    )
    from vmstate.schema.vmdesc import (
        DIALECTS as DIALECTS,
    )
    from vmstate.schema.vmdesc import (
        Dialect as Dialect,
    )
    from vmstate.schema.vmdesc import (
        Vmdesc as Vmdesc,
    )
    from vmstate.schema.vmdesc import (
        read_vmdesc as read_vmdesc,
    )
    from vmstate.schema.write import (
        describe as describe,
    )
    from vmstate.schema.write import (
        describe_device as describe_device,
    )
    from vmstate.schema.write import (
        json_text as json_text,
    )
    from vmstate.stream.check import (
        check as check,
    )
    from vmstate.stream.configuration import (
        Configuration as Configuration,
    )
    from vmstate.stream.destination import (
        KnownDestination as KnownDestination,
    )
    from vmstate.stream.edit import (
        Edit as Edit,
    )
    from vmstate.stream.edit import (
        RefusedError as RefusedError,
    )
    from vmstate.stream.edit import (
        assign as assign,
    )
    from vmstate.stream.edit import (
        set_value as set_value,
    )
    from vmstate.stream.events import (
        DONE as DONE,
    )
    from vmstate.stream.events import (
        NEED_DATA as NEED_DATA,
    )
    from vmstate.stream.events import (
        Command as Command,
    )
    from vmstate.stream.events import (
        ConfigurationSection as ConfigurationSection,
    )
    from vmstate.stream.events import (
        DeviceState as DeviceState,
    )
    from vmstate.stream.events import (
        EndOfStream as EndOfStream,
    )
    from vmstate.stream.events import (
        Event as Event,
    )
    from vmstate.stream.events import (
        Header as Header,
    )
    from vmstate.stream.events import (
        SectionFooter as SectionFooter,
    )
    from vmstate.stream.events import (
        SectionHeader as SectionHeader,
    )
    from vmstate.stream.events import (
        Trailing as Trailing,
    )
    from vmstate.stream.events import (
        Vmdescription as Vmdescription,
    )
    from vmstate.stream.memory import (
        GuestMemory as GuestMemory,
    )
    from vmstate.stream.memory import (
        MemoryRange as MemoryRange,
    )
    from vmstate.stream.reader import (
        StreamReader as StreamReader,
    )
    from vmstate.stream.reader import (
        find_vmdesc as find_vmdesc,
    )
    from vmstate.stream.stream import (
        RamSummary as RamSummary,
    )
    from vmstate.stream.stream import (
        Section as Section,
    )
    from vmstate.stream.stream import (
        Stream as Stream,
    )
    from vmstate.stream.stream import (
        load as load,
    )
    from vmstate.stream.thin import (
        thin as thin,
    )
    from vmstate.stream.verify import (
        Finding as Finding,
    )
    from vmstate.stream.verify import (
        verify as verify,
    )
    from vmstate.stream.writer import (
        StreamWriter as StreamWriter,
    )
    from vmstate.vmsd.declare import (
        array as array,
    )
    from vmstate.vmsd.declare import (
        array_of_pointer as array_of_pointer,
    )
    from vmstate.vmsd.declare import (
        bitmap as bitmap,
    )
    from vmstate.vmsd.declare import (
        boolean as boolean,
    )
    from vmstate.vmsd.declare import (
        buffer as buffer,
    )
    from vmstate.vmsd.declare import (
        chunks as chunks,
    )
    from vmstate.vmsd.declare import (
        counted_string as counted_string,
    )
    from vmstate.vmsd.declare import (
        cpudouble as cpudouble,
    )
    from vmstate.vmsd.declare import (
        description as description,
    )
    from vmstate.vmsd.declare import (
        fd as fd,
    )
    from vmstate.vmsd.declare import (
        gtree as gtree,
    )
    from vmstate.vmsd.declare import (
        host as host,
    )
    from vmstate.vmsd.declare import (
        info as info,
    )
    from vmstate.vmsd.declare import (
        int8 as int8,
    )
    from vmstate.vmsd.declare import (
        int16 as int16,
    )
    from vmstate.vmsd.declare import (
        int32 as int32,
    )
    from vmstate.vmsd.declare import (
        int32_equal as int32_equal,
    )
    from vmstate.vmsd.declare import (
        int32_le as int32_le,
    )
    from vmstate.vmsd.declare import (
        int32_positive_le as int32_positive_le,
    )
    from vmstate.vmsd.declare import (
        int64 as int64,
    )
    from vmstate.vmsd.declare import (
        keyed_list as keyed_list,
    )
    from vmstate.vmsd.declare import (
        known_since as known_since,
    )
    from vmstate.vmsd.declare import (
        one_of as one_of,
    )
    from vmstate.vmsd.declare import (
        qlist as qlist,
    )
    from vmstate.vmsd.declare import (
        qtailq as qtailq,
    )
    from vmstate.vmsd.declare import (
        rule as rule,
    )
    from vmstate.vmsd.declare import (
        struct as struct,
    )
    from vmstate.vmsd.declare import (
        sub_array as sub_array,
    )
    from vmstate.vmsd.declare import (
        subsection as subsection,
    )
    from vmstate.vmsd.declare import (
        text as text,
    )
    from vmstate.vmsd.declare import (
        timer as timer,
    )
    from vmstate.vmsd.declare import (
        uint8 as uint8,
    )
    from vmstate.vmsd.declare import (
        uint8_equal as uint8_equal,
    )
    from vmstate.vmsd.declare import (
        uint16 as uint16,
    )
    from vmstate.vmsd.declare import (
        uint16_device as uint16_device,
    )
    from vmstate.vmsd.declare import (
        uint16_equal as uint16_equal,
    )
    from vmstate.vmsd.declare import (
        uint16_host as uint16_host,
    )
    from vmstate.vmsd.declare import (
        uint16_little as uint16_little,
    )
    from vmstate.vmsd.declare import (
        uint32 as uint32,
    )
    from vmstate.vmsd.declare import (
        uint32_device as uint32_device,
    )
    from vmstate.vmsd.declare import (
        uint32_equal as uint32_equal,
    )
    from vmstate.vmsd.declare import (
        uint32_host as uint32_host,
    )
    from vmstate.vmsd.declare import (
        uint32_little as uint32_little,
    )
    from vmstate.vmsd.declare import (
        uint64 as uint64,
    )
    from vmstate.vmsd.declare import (
        uint64_device as uint64_device,
    )
    from vmstate.vmsd.declare import (
        uint64_equal as uint64_equal,
    )
    from vmstate.vmsd.declare import (
        uint64_host as uint64_host,
    )
    from vmstate.vmsd.declare import (
        uint64_little as uint64_little,
    )
    from vmstate.vmsd.declare import (
        uint64_words as uint64_words,
    )
    from vmstate.vmsd.declare import (
        uinttl as uinttl,
    )
    from vmstate.vmsd.declare import (
        unused as unused,
    )
    from vmstate.vmsd.declare import (
        unused_varray as unused_varray,
    )
    from vmstate.vmsd.declare import (
        validate as validate,
    )
    from vmstate.vmsd.declare import (
        varray as varray,
    )
    from vmstate.vmsd.declare import (
        vbuffer as vbuffer,
    )
    from vmstate.vmsd.declare import (
        vstruct as vstruct,
    )
    from vmstate.vmsd.declare import (
        with_tmp as with_tmp,
    )
    from vmstate.vmsd.description import (
        Field as Field,
    )
    from vmstate.vmsd.description import (
        MigrationPriority as MigrationPriority,
    )
    from vmstate.vmsd.description import (
        Pointers as Pointers,
    )
    from vmstate.vmsd.description import (
        Rule as Rule,
    )
    from vmstate.vmsd.description import (
        Subsection as Subsection,
    )
    from vmstate.vmsd.description import (
        VMStateDescription as VMStateDescription,
    )
    from vmstate.vmsd.expr import (
        UNKNOWN as UNKNOWN,
    )
    from vmstate.vmsd.expr import (
        Expr as Expr,
    )
    from vmstate.vmsd.expr import (
        Fact as Fact,
    )
    from vmstate.vmsd.expr import (
        ceil_div as ceil_div,
    )
    from vmstate.vmsd.expr import (
        choose as choose,
    )
    from vmstate.vmsd.expr import (
        fact as fact,
    )
    from vmstate.vmsd.expr import (
        len_ as len_,
    )
    from vmstate.vmsd.expr import (
        max_ as max_,
    )
    from vmstate.vmsd.expr import (
        min_ as min_,
    )
    from vmstate.vmsd.expr import (
        not_ as not_,
    )
    from vmstate.vmsd.expr import (
        root as root,
    )
    from vmstate.vmsd.expr import (
        this as this,
    )
    from vmstate.vmsd.expr import (
        up as up,
    )
    from vmstate.vmsd.expr import (
        version_id as version_id,
    )
    from vmstate.vmsd.path import (
        format_path as format_path,
    )
    from vmstate.vmsd.path import (
        resolve as resolve,
    )
    from vmstate.vmsd.release import Release as Release
    from vmstate.vmsd.state import (
        State as State,
    )
    from vmstate.vmsd.state import (
        facts_of as facts_of,
    )
    from vmstate.vmsd.state import (
        residue_of as residue_of,
    )
    from vmstate.vmsd.state import (
        set_facts as set_facts,
    )
    from vmstate.vmsd.state import (
        version_of as version_of,
    )

__version__ = "0.1.0"

_PLACES = {
    "vmstate.codec": (
        "Codec",
        "Records",
        "TraceEntry",
        "load_state",
        "save_state",
    ),
    "vmstate.vmsd.declare": (
        "array",
        "array_of_pointer",
        "bitmap",
        "boolean",
        "buffer",
        "chunks",
        "counted_string",
        "cpudouble",
        "description",
        "fd",
        "gtree",
        "host",
        "info",
        "int16",
        "int32",
        "int32_equal",
        "int32_le",
        "int32_positive_le",
        "int64",
        "int8",
        "keyed_list",
        "known_since",
        "one_of",
        "qlist",
        "qtailq",
        "rule",
        "struct",
        "sub_array",
        "subsection",
        "text",
        "timer",
        "uint16",
        "uint16_device",
        "uint16_equal",
        "uint16_host",
        "uint16_little",
        "uint32",
        "uint32_device",
        "uint32_equal",
        "uint32_host",
        "uint32_little",
        "uint64",
        "uint64_device",
        "uint64_equal",
        "uint64_host",
        "uint64_words",
        "uint64_little",
        "uint8",
        "uint8_equal",
        "uinttl",
        "unused",
        "unused_varray",
        "validate",
        "varray",
        "vbuffer",
        "vstruct",
        "with_tmp",
    ),
    "vmstate.vmsd.description": (
        "Field",
        "MigrationPriority",
        "Pointers",
        "Rule",
        "Subsection",
        "VMStateDescription",
    ),
    "vmstate.vmsd.expr": (
        "Expr",
        "Fact",
        "UNKNOWN",
        "ceil_div",
        "choose",
        "fact",
        "len_",
        "max_",
        "min_",
        "not_",
        "root",
        "this",
        "up",
        "version_id",
    ),
    "vmstate.vmsd.path": (
        "format_path",
        "resolve",
    ),
    "vmstate.vmsd.release": ("Release",),
    "vmstate.vmsd.state": (
        "State",
        "facts_of",
        "residue_of",
        "set_facts",
        "version_of",
    ),
    "vmstate.compare.compat": (
        "Compatibility",
        "compat",
    ),
    "vmstate.compare.cost": (
        "Cost",
        "cost",
    ),
    "vmstate.compare.diff": (
        "Change",
        "Difference",
        "diff",
    ),
    "vmstate.compare.explain": (
        "Explained",
        "Explanation",
        "explain",
    ),
    "vmstate.compare.target": (
        "Target",
        "open_target",
        "write_target",
    ),
    "vmstate.early.items": (
        "Item",
        "ItemClass",
        "ItemTable",
        "table_of",
    ),
    "vmstate.early.policy": (
        "PerItem",
        "Plan",
        "Policy",
        "Reason",
        "RfcV2",
    ),
    "vmstate.early.snapshot": (
        "Delta",
        "DirtyBits",
        "Snapshot",
    ),
    "vmstate.early.streams": (
        "DevicePlan",
        "apply_record",
        "plan_streams",
        "record_streams",
    ),
    "vmstate.compare.findings": ("CompatFinding",),
    "vmstate.compare.schemas": (
        "Schema",
        "open_schema",
    ),
    "vmstate.errors": (
        "DecodeError",
        "DescriptionError",
        "EarlyError",
        "EncodeError",
        "MachineError",
        "PathError",
        "QueryError",
        "SchemaError",
        "StreamError",
        "TruncatedError",
        "VMStateError",
    ),
    "vmstate.query.ask": (
        "Answer",
        "Source",
        "ask",
    ),
    "vmstate.schema.dump": (
        "Dump",
        "read_dump",
    ),
    "vmstate.schema.vmdesc": (
        "DIALECTS",
        "Dialect",
        "Vmdesc",
        "read_vmdesc",
    ),
    "vmstate.schema.write": (
        "describe",
        "describe_device",
        "json_text",
    ),
    "vmstate.stream.check": ("check",),
    "vmstate.stream.destination": ("KnownDestination",),
    "vmstate.stream.configuration": ("Configuration",),
    "vmstate.stream.events": (
        "DONE",
        "NEED_DATA",
        "Command",
        "ConfigurationSection",
        "DeviceState",
        "EndOfStream",
        "Event",
        "Header",
        "SectionFooter",
        "SectionHeader",
        "Trailing",
        "Vmdescription",
    ),
    "vmstate.stream.memory": (
        "GuestMemory",
        "MemoryRange",
    ),
    "vmstate.stream.reader": (
        "StreamReader",
        "find_vmdesc",
    ),
    "vmstate.stream.stream": (
        "RamSummary",
        "Section",
        "Stream",
        "load",
    ),
    "vmstate.stream.edit": (
        "Edit",
        "RefusedError",
        "assign",
        "set_value",
    ),
    "vmstate.lab.capture": (
        "capture",
        "capture_running",
        "capture_started",
        "read_provenance",
    ),
    "vmstate.lab.incoming": (
        "Destination",
        "Outcome",
        "load_into_qemu",
    ),
    "vmstate.lab.live": (
        "Sink",
        "send",
    ),
    "vmstate.qemu.machine": (
        "Machine",
        "Qemu",
        "find_qemu",
    ),
    "vmstate.qemu.monitor": ("Monitor",),
    "vmstate.lab.refusal": ("explain_refusal",),
    "vmstate.lab.target": ("target_of",),
    "vmstate.stream.thin": ("thin",),
    "vmstate.stream.verify": (
        "Finding",
        "verify",
    ),
    "vmstate.stream.writer": ("StreamWriter",),
}

_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> Any:
    # A command must not pay for what it does not use: a name brings its module when it is first asked for.
    place = _PLACE_OF.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(place), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACE_OF})

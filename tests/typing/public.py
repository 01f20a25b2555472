"""The whole face as a typed program would use it. It is checked, not run (tests/house/test_types.py)."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, assert_type

import vmstate
from vmstate import DONE, NEED_DATA, GuestMemory, Records, Section, State, Stream, TraceEntry, VMStateDescription
from vmstate.compare import (
    Change,
    CompatFinding,
    Explained,
    Schema,
    StreamCost,
    Target,
    cost_of,
    open_schema,
    open_target,
    write_target,
)
from vmstate.declare import (
    CONTENTS,
    DESTINATION,
    IDSTR,
    MACS,
    MEMORY,
    OWN,
    OWN_STATE,
    REGISTERS,
    RELEASE,
    TARGET_LONG_SIZE,
    UNKNOWN,
    UUID,
    Expr,
    Fact,
    Feature,
    Field,
    InfoOptions,
    MigrationPriority,
    Pointers,
    Record,
    Release,
    Rule,
    SavePhase,
    Secret,
    Subsection,
    VMState,
    WordOptions,
    allocated,
    among,
    array,
    array_of_pointer,
    asks,
    begins,
    bitmap,
    boolean,
    buffer,
    ceil_div,
    choose,
    chunks,
    counted_string,
    cpudouble,
    description,
    device,
    equal,
    fact,
    facts_of,
    fd,
    format_path,
    gtree,
    host,
    if_set,
    info,
    int8,
    int16,
    int32,
    int32_equal,
    int32_le,
    int32_positive_le,
    int64,
    keyed_list,
    known_since,
    later,
    le16,
    len_,
    linked,
    load_state,
    max_,
    min_,
    never,
    not_,
    not_above,
    one_of,
    otherwise,
    part,
    qlist,
    qtailq,
    residue_of,
    root,
    rule,
    save_state,
    secret,
    set_facts,
    struct,
    sub_array,
    subsection,
    text,
    this,
    timer,
    told,
    uint8,
    uint8_equal,
    uint16,
    uint16_device,
    uint16_equal,
    uint16_host,
    uint16_little,
    uint32,
    uint32_device,
    uint32_equal,
    uint32_host,
    uint32_little,
    uint64,
    uint64_device,
    uint64_equal,
    uint64_host,
    uint64_little,
    uint64_words,
    uinttl,
    undescribed,
    unused,
    unused_varray,
    up,
    validate,
    variant,
    varray,
    vbuffer,
    version_id,
    version_of,
    virtio_device,
    vstruct,
    with_tmp,
)
from vmstate.devices.virtio.net import VirtIONet
from vmstate.early import (
    Backend,
    BackendFailure,
    Cost,
    Delta,
    Destination,
    DevicePlan,
    DirtyBits,
    IllegalOperation,
    Item,
    ItemClass,
    ItemTable,
    Operation,
    PerItem,
    Plan,
    Policy,
    Question,
    Reason,
    RfcV2,
    Snapshot,
    Source,
    Tap,
    VhostNet,
    VhostUser,
    VhostVdpa,
    apply_record,
    example,
    plan_streams,
    record_streams,
    set_up,
    switch_over,
    table_of,
    what_if,
)
from vmstate.errors import (
    DecodeError,
    DescriptionError,
    EarlyError,
    EncodeError,
    MachineError,
    PathError,
    QueryError,
    SchemaError,
    StreamError,
    TruncatedError,
    VersionError,
    VMStateError,
)
from vmstate.events import (
    Command,
    CommandType,
    Configuration,
    ConfigurationSection,
    DeviceState,
    Done,
    EndOfStream,
    Event,
    Header,
    NeedData,
    RamBlock,
    RamBytes,
    RamEnd,
    RamEvent,
    RamHook,
    RamMapped,
    RamMultifdFlush,
    RamPages,
    RamSize,
    SectionFooter,
    SectionHeader,
    Trailing,
    Vmdescription,
    find_vmdesc,
)
from vmstate.fuzz import (
    MUTATORS,
    BytesSource,
    Campaign,
    ChoiceSource,
    Grower,
    Mutation,
    RandomSource,
    Settings,
    Subject,
    attempt,
    read_subject,
    states,
    streams,
)
from vmstate.lab import (
    Machine,
    Monitor,
    Outcome,
    Qemu,
    QemuDestination,
    Sink,
    capture_machine,
    capture_running,
    capture_started,
    explain_refusal,
    find_qemu,
    load_into_qemu,
    read_provenance,
    send,
    target_of,
)
from vmstate.query import QueryOrigin
from vmstate.rules import Broken, KnownDestination, broken, set_value, unjudged
from vmstate.saved import Input, StreamLike, open_input, open_memory
from vmstate.schema import DIALECTS, Dialect, Dump, Vmdesc, describe_device, json_text, read_dump, read_vmdesc
from vmstate.stream import MemoryRange, RamSummary


class Mode(enum.IntFlag):
    ON = 1
    LOUD = 2


LANES = fact("lanes", (1, 4), default=1)
assert_type(LANES, Fact)
assert_type(this.a + 1, Expr)
CONDITIONS: tuple[Expr, ...] = (
    *(this.a > 1, (this.a > 1) & not_(up.b), root.c.has("ON"), version_id >= 2, begins(IDSTR, "hh")),
    *(ceil_div(this.a, 8), choose(this.a, 1, 2), le16(this.a, 4), len_(this.a), linked(this.a, 1, 2)),
    *(max_(this.a, 2), min_(this.a, 2), otherwise(this.a, 0), asks(len, this.a), told("lanes") == 4),
    *(Release(7, 2) <= RELEASE, MEMORY == UNKNOWN, asks(len, OWN_STATE), TARGET_LONG_SIZE == 8),
)
RULES: tuple[Rule, ...] = (
    *(rule("edge", this.a < 12, "below 12", mended=True), known_since(Release(8, 2)), never("none", "nobody reads it")),
    allocated("a list", "-device parts=on"),
    *(not_above("most", "a", "no more than here"), if_set("on", "on", "set here as well")),
    *(among("names", this.a, OWN.a, "only {value}"), equal("same", "a", "as here")),
    rule("there", DESTINATION == 1, "a destination"),
)


@part(noise={"clock": ("level",)})
@description("part/more", version_id=1, minimum_version_id=1)
class More(VMState):
    level: int = uint8(default=3)


@description(
    "part", version_id=2, minimum_version_id=1, rules=RULES, priority=MigrationPriority.IOMMU, phase=SavePhase.COMPLETE
)
class Part(VMState):
    a: int = uint8(name="a-b", rules=RULES, doc="the first", version=1, exists=this.b > 1, err_hint="look at it")
    mode: Mode = uint32(value=Mode)
    on: bool = boolean()
    name: str = text(8)
    raw: bytes = buffer(4, private=REGISTERS)
    card: bytes = buffer(12, private=MACS)
    machine: bytes = buffer(16, private=UUID)
    typed: int = uint32(private=CONTENTS)
    some: list[int] = array(uint16, 4, private=(*secret("contents", 0, 1), Secret("mac-words", 1, 3)))
    long: bytes = vbuffer(this.a, multiply=4)
    more: More | None = subsection(More, needed=this.a > 1)


FEATURES = (Feature(0, "VIRTIO_BEEP_F_LOUD", since=Release(10, 0)),)
OPAQUE: Record = undescribed("slirp", old_style=True)


@virtio_device("virtio-beep", id=99, features=FEATURES)
@description("virtio-beep")
class Beep(VMState):
    loud: bool = boolean()


@device("whole", noise={"clock": ("a",)}, legacy_instances=(1,), target_endian="little")
@description("whole")
class Whole(VMState):
    signed: tuple[int, int] | int = int8()
    numbers: int = int16()
    big: int = int32(info="irq")
    bigger: int = int64()
    equal: int = int32_equal()
    below: int = int32_le()
    above: int = int32_positive_le()
    u8: int = uint8_equal()
    u16: int = uint16()
    u16_equal: int = uint16_equal()
    u32_equal: int = uint32_equal()
    u64: int = uint64()
    u64_equal: int = uint64_equal()
    little: list[int] = array(uint16_little, 4)
    little32: list[list[int]] = array(uint32_little, 2, 3)
    little64: int = uint64_little()
    host16: int = uint16_host()
    host32: int = uint32_host()
    host64: int = uint64_host()
    device16: int = uint16_device()
    device32: int = uint32_device()
    device64: int = uint64_device()
    words: int = uint64_words()
    long: int = uinttl()
    when: int = timer()
    exact: object = cpudouble()
    descriptor: int = fd()
    bits: int = bitmap(64)
    title: str = counted_string()
    pieces: list[bytes] = chunks(limit=4096)
    _hole: None = unused(4)
    _holes: None = unused_varray(4, count=this.a)
    _must: None = validate(this.u16 > 0, name="must")
    keys: list[bytes] = array(buffer(6), 2)
    parts: list[Part] = varray(Part, count=this.u16, multiply=2)
    rest: list[Part] = sub_array(Part.vmsd, 1, 3)
    maybe: list[Part | None] = array_of_pointer(Part, 4)
    part: Part = struct(Part)
    old: Part = vstruct(Part, 1)
    made: Part = with_tmp(Part)
    irq: Part = info("irq", Part)
    tail: list[Part] = qtailq(Part, version=1)
    listed: list[Part] = qlist(Part)
    tree: list[tuple[More, Part]] = gtree(Part, key=More)
    direct: list[tuple[int, Part]] = gtree(Part)
    keyed: list[Part] = keyed_list(Part)
    one: Part | More = one_of(LANES, {1: Part, 4: later("module:More")})
    kept: int = host(0)


OLD = variant(Part, "part", 1, raw=None)
WORDS: WordOptions = {"name": "x", "version": 2}
INFOS: InfoOptions = {"info": "irq"}


def of_a_class(part: Part, data: bytes) -> None:
    assert_type(Part.vmsd, VMStateDescription[Part])
    assert_type(part.vmsd, VMStateDescription[Part])
    assert_type(OLD, VMStateDescription[Part])
    assert_type(Part.vmsd.decode(memoryview(data)), Part)
    assert_type(Part.vmsd.encode(Part(a=3, mode=Mode.ON, more=More(level=4))), bytes)
    assert_type(Part.vmsd.trace(data), Mapping[str, TraceEntry])
    assert_type(Part.vmsd.trace(data)["a"].offset, int)
    assert_type(Part.vmsd.trace(data)["a"].field, Field | None)
    assert_type(part.mode, Mode)
    assert_type(part.more, More | None)
    assert_type(Whole().parts[0].more, More | None)
    assert_type(load_state(Part.vmsd, data, part), int)
    assert_type(save_state(Part.vmsd, part), bytes)
    assert_type(version_of(part), int | None)
    assert_type(facts_of(part), Mapping[str, Any])
    assert_type(residue_of(part), Mapping[str, bytes])
    set_facts(part, lanes=4)
    kept: list[Subsection] = list(Part.vmsd.subsections)
    print(kept, Pointers.ALL_MARKED, format_path(["a", 1]))


def of_a_stream(path: Path) -> None:
    with open_memory("guest.mapped") as memory:
        assert_type(memory, GuestMemory)
    with vmstate.load(path, facts={"lanes": 4}) as stream:
        assert_type(stream, Stream)
        assert_type(stream.machine, str | None)
        assert_type(stream.configuration, Configuration | None)
        assert_type(stream.ram, RamSummary)
        assert_type(stream.vmdesc, Vmdesc | None)
        assert_type(stream.sections, list[Section])
        assert_type(stream["serial"].trace(), Mapping[str, TraceEntry])
        card = stream.section("virtio-net", VirtIONet)
        assert_type(card, Section[VirtIONet])
        assert_type(card.state, VirtIONet)
        assert_type(card.vmsd, VMStateDescription[VirtIONet] | None)
        assert_type(stream.memory(), GuestMemory)
        shown: list[MemoryRange] = list(stream.memory().ranges)
        state = stream["serial"].state
        if isinstance(state, State):
            registers = state["regs"]
            if isinstance(registers, Records):
                print(len(registers), shown)
        for edit in vmstate.assign(stream, "serial.state.divider=1", force=True):
            assert_type(edit, vmstate.Edit)
        try:
            assert_type(set_value(stream, "serial.state.divider", 2), vmstate.Edit)
        except vmstate.RefusedError as error:
            print(error.findings)
        assert_type(vmstate.resolve(state, "a.b[1]")[0], tuple[str | int, ...])
        assert_type(vmstate.check(stream), list[vmstate.Finding])
        assert_type(unjudged(stream), list[vmstate.Finding])
        faults: list[Broken] = list(broken(VirtIONet.vmsd, card.state, own=card.state))
        assert_type(vmstate.check(stream, KnownDestination(stream, {})), list[vmstate.Finding])
        assert_type(vmstate.verify(stream, memoryview(b"")), list[vmstate.Finding])
        assert_type(vmstate.ask(stream, "query-status"), vmstate.Answer)
        origins: Mapping[str, list[QueryOrigin]] = vmstate.ask(stream, "query-status").sources
        difference = vmstate.diff(stream, path, noise=())
        assert_type(difference, vmstate.Difference)
        changes: list[Change] = list(difference.changes)
        explanation = vmstate.explain(stream, path)
        assert_type(explanation, vmstate.Explanation)
        explained: list[Explained] = list(explanation.findings)
        compatibility = vmstate.compat(path, "library", direction="both")
        assert_type(compatibility, vmstate.Compatibility)
        findings: list[CompatFinding] = list(compatibility.findings)
        assert_type(vmstate.thin(path), Iterator[bytes])
        assert_type(cost_of(stream), StreamCost)
        assert_type(open_schema(path), Schema)
        assert_type(open_target(stream), Target)
        write_target(path, open_target(stream))
        print(origins, changes, explained, findings, faults)
        stream.save(path)


def of_schemas(vmdesc: bytes, dump: bytes, vmsd: VMStateDescription, dialect: Dialect) -> None:
    assert_type(read_vmdesc(vmdesc), Vmdesc)
    assert_type(read_dump(dump), Dump)
    assert_type(DIALECTS["11.1"], Dialect)
    pairs, _ = vmstate.describe(vmsd, State(), dialect)
    assert_type(json_text(pairs), str)
    print(describe_device("serial", 0, vmsd, State(), dialect))


def of_sources(source: StreamLike) -> None:
    with open_input(source) as opened:
        assert_type(opened, Input)
        vmstate.load(opened)


def of_events(data: bytes) -> None:
    reader, writer = vmstate.StreamReader(), vmstate.StreamWriter()
    assert_type(find_vmdesc(memoryview(data)), bytes | None)
    while (event := reader.next_event()) is not DONE:
        if event is NEED_DATA:
            reader.receive_data(data)
            continue
        assert_type(event.offset, int)
        writer.send(event)
        of_an_event(event)


def of_an_event(event: Event) -> None:
    match event:
        case Header():
            assert_type(event.version, int)
        case ConfigurationSection():
            assert_type(event.state, Configuration)
        case SectionHeader():
            assert_type(event.name, str)
        case DeviceState():
            assert_type(event.vmsd, VMStateDescription | None)
        case RamSize() | RamBlock() | RamMapped() | RamPages() | RamHook() | RamMultifdFlush() | RamEnd() | RamBytes():
            of_memory(event)
        case Command():
            print(event.data, CommandType.SWITCHOVER_START)
        case SectionFooter() | EndOfStream() | Vmdescription() | Trailing():
            assert_type(event.to_bytes(), bytes)


def of_memory(event: RamEvent) -> NeedData | Done:
    return NEED_DATA if isinstance(event, RamPages) else DONE


def of_early(early: Stream, final: Stream, path: Path, chosen: Policy) -> None:
    card = early.section("virtio-net", VirtIONet).state
    snapshot = Snapshot.take(card)
    delta = snapshot.compare(final["virtio-net"].state)
    assert_type(delta, Delta)
    plan = PerItem().plan(delta, "tap")
    assert_type(plan, Plan)
    reasons: list[Reason] = list(RfcV2().plan(delta).reasons)
    assert_type(table_of(VirtIONet.vmsd), ItemTable | None)
    dirty = DirtyBits(snapshot.table)
    items: list[Item] = [item for item in snapshot.table.items if item.cls is ItemClass.ALWAYS]
    planned: list[DevicePlan] = plan_streams(early, final)
    assert_type(record_streams(early, final, chosen), bytes)
    assert_type(apply_record(early, path), list[str])
    back_ends: list[Backend] = [Tap(), VhostNet(), VhostUser(), VhostVdpa()]
    source, destination = Source(card, backend="tap"), Destination(VirtIONet.vmsd, {}, backend=Tap())
    try:
        set_up(source, destination)
        switch_over(source, destination)
    except IllegalOperation as error:
        print(error)
    except BackendFailure as error:
        print(error)
    print(reasons, dirty, items, planned, back_ends, example(queue_pairs=2))


def of_figures(question: Question, operation: Operation, cost: Cost) -> None:
    print(what_if(question), operation, cost)


def of_real_qemu(stream: Stream, path: Path, argv: list[str], machine: Machine, monitor: Monitor) -> None:
    assert_type(find_qemu("qemu-system-x86_64"), Qemu)
    assert_type(capture_machine(path, machine), dict[str, Any])
    assert_type(read_provenance(path), dict[str, Any] | None)
    assert_type(target_of(argv), Target)
    assert_type(send(stream, "unix:socket"), int)
    print(capture_running, capture_started, explain_refusal, load_into_qemu, Sink, Outcome, QemuDestination, monitor)


def of_fuzzing(path: Path, source: ChoiceSource, subject: Subject, settings: Settings) -> None:
    assert_type(read_subject(path), Subject)
    assert_type(attempt(subject, RandomSource(1), MUTATORS["value.bit"]), Mutation | None)
    print(
        states(VirtIONet), streams("virtio-*"), BytesSource(b""), Grower(VirtIONet.vmsd, source, {}), Campaign, settings
    )


def of_errors(error: VMStateError) -> str | None:
    kinds = (DecodeError, DescriptionError, EarlyError, EncodeError, MachineError, PathError, QueryError, SchemaError)
    assert_type(error.offset, int | None)
    return error.section if isinstance(error, (*kinds, StreamError, TruncatedError, VersionError)) else error.path

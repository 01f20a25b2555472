"""Devices in Rust: what is read from the text of a crate, and that it is what C sends."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest
from recorded import FIXTURES
from source_table import TREES

from vmstate.cli import main
from vmstate.compare.source_rust import rust_changes, rust_defects
from vmstate.errors import VMStateError
from vmstate.source import rust, rust_items
from vmstate.source.linking import Linked
from vmstate.source.model import SourceDescription, SourceField, UnitResult
from vmstate.source.reading import SourceTree, read_tree

LIBRARY = """
impl_vmstate_scalar!(vmstate_info_uint8, u8, VMS_VARRAY_UINT8);
impl_vmstate_scalar!(vmstate_info_uint16, u16, VMS_VARRAY_UINT16);
impl_vmstate_scalar!(vmstate_info_uint32, u32, VMS_VARRAY_UINT32);
impl_vmstate_scalar!(vmstate_info_int64, i64);
impl_vmstate_transparent!(cells::Held<T> where T: VMState);
impl_vmstate_pointer!(*mut T where T: VMState);
impl_vmstate_pointer!(Kept<T> where T: VMState + Thing);
macro_rules! impl_vmstate_nothing { ($x:ty) => { impl_vmstate_forward!($x); } }
pub struct Moved<T: Shared> { held: Held<*mut T::Migrated>, now: T }
impl<T: 'static + Shared> Moved<T> {
    const ROW: VMStateField = vmstate_of!(Self, held);
    const ROWS: &[VMStateField] = vmstate_fields_ref! { Moved::<T>::ROW };
    const VMSD: &'static VMStateDescription = VMStateDescriptionBuilder::<Self>::new()
        .name(c"wrapped").version_id(1).minimum_version_id(1).fields(Self::ROWS).build().as_ref();
}
unsafe impl<T: 'static + Shared> VMState for Moved<T> {
    const BASE: VMStateField = { VMStateField { vmsd: addr_of!(*Self::VMSD), size: size_of::<Self>(), ..ZERO } };
}
impl<T: ToMigrationState> ToMigrationState for Held<T> { type Migrated = T::Migrated; fn f(&self) {} }
impl<T: ToMigrationState, const N: usize> ToMigrationState for [T; N] { type Migrated = [T::Migrated; N]; }
impl ToMigrationState for time::Clock { type Migrated = i64; }
"""

TYPES = """
/* A comment /* inside a comment */ struct Gone { } */
#[bitsize(12)] #[derive(Clone)] pub struct Word { low: u8, rest: u4 }
impl_vmstate_bitsized!(Word);
bits! { #[derive(Default)] pub struct Mask(u16) { A = 1 << 0, B = bits!(Self as u16: A | A), } }
impl_vmstate_forward!(Mask);
pub struct Fifo([super::kinds::Word; DEPTH as usize]);
impl_vmstate_forward!(Fifo);
pub const DEPTH: u32 = 1 << 2;
"""

DEVICE = """
const MOST: usize = SMALL * 2 + (8 >> 3) - 1;
const SMALL: usize = 3;
const CHECK: &CStr = c"no more than there are";

pub struct Ring { pub level: u16, pub rows: [u8; MOST], pub used: Held<u8>, pub all: [u32; 4], pub part: u32 }

#[derive(Default, ToMigrationState)]
pub struct Regs { mode: u32, #[migration_state(omit)] gone: u64, #[migration_state(into(u8))] on: bool, tick: Clock,
                  words: [Word; 2] }

#[repr(C)]
pub struct Bell {
    pub parent: Parent<Device>,
    #[property(rename = "loud", bit = 1 + 1, default = true)]
    flags: u32,
    regs: Moved<Held<Regs>>,
    fifo: kinds::Fifo, mask: Mask, rings: [Kept<Ring>; 2], deep: Deep, pub echo: u8, on: Held<u32>,
}
pub struct Deep { inner: Ring }

impl Bell {
    fn heard(&self) -> bool { self.on.get() != 0 && !self.silent() }
    fn silent(&self) -> bool { self.echo == 0x10 }
    fn few(&self, _version_id: u8) -> bool { self.rings.len() < 3 }
}
unsafe impl ObjectType for Bell { const TYPE_NAME: &'static CStr = crate::TYPE_BELL; }
impl ObjectImpl for Bell { type ParentType = Device; }
impl DeviceImpl for Bell { const VMSTATE: Option<VMStateDescription<Self>> = Some(VMSTATE_BELL); }

static VMSTATE_ECHO: VMStateDescription<Bell> = VMStateDescriptionBuilder::<Bell>::new()
    .name(c"bell/echo").version_id(1).minimum_version_id(1).needed(&Bell::heard)
    .fields(vmstate_fields! { vmstate_of!(Bell, echo), })
    .build();

impl_vmstate_struct!(RegsMigration, VMStateDescriptionBuilder::<RegsMigration>::new()
    .name(c"bell/regs").version_id(4).minimum_version_id(2)
    .fields(vmstate_fields! {
        vmstate_of!(RegsMigration, mode), vmstate_of!(RegsMigration, on), vmstate_of!(RegsMigration, tick),
        vmstate_of!(RegsMigration, words),
    }).build());

const VMSTATE_RING: VMStateDescription<Ring> = VMStateDescriptionBuilder::<Ring>::new()
    .name(c"ring").version_id(1).minimum_version_id(1)
    .fields(vmstate_fields! {
        vmstate_of!(Ring, rows[0 .. used]).with_version_id(1),
        vmstate_of!(Ring, all[0 .. part * 16]),
    }).build();
impl_vmstate_struct!(Ring, VMSTATE_RING);

pub const VMSTATE_BELL: VMStateDescription<Bell> = VMStateDescriptionBuilder::<Bell>::new()
    .name(c"bell").version_id(3).minimum_version_id(2).pre_save(&Bell::save)
    .fields(vmstate_fields! {
        vmstate_unused!(size_of::<u32>() * 2),
        vmstate_of!(Bell, regs), vmstate_of!(Bell, fifo), vmstate_of!(Bell, mask).with_version_id(3),
        vmstate_validate!(Bell, CHECK, Bell::few),
        vmstate_of!(Bell, rings, Bell::few), vmstate_of!(Bell, deep.inner.level),
    })
    .subsections(vmstate_subsections! { VMSTATE_ECHO })
    .build();
"""

C_BELL = """
typedef struct { unsigned mode; unsigned char on; } Regs;
typedef struct BellState { unsigned char echo; } BellState;
static bool heard(void *opaque) { BellState *s = opaque; return s->echo; }
static const VMStateDescription vmstate_echo = { .name = "bell/echo", .version_id = 1, .minimum_version_id = 1,
    .needed = heard, .fields = (const VMStateField[]) { VMSTATE_UINT8(echo, BellState), VMSTATE_END_OF_LIST() } };
static const VMStateDescription vmstate_bell = { .name = "bell", .version_id = 3, .minimum_version_id = 2,
    .fields = (const VMStateField[]) { VMSTATE_UINT8(echo, BellState), VMSTATE_END_OF_LIST() },
    .subsections = (const VMStateDescription * const []) { &vmstate_echo, NULL } };
static void bell_class_init(void *klass) { DeviceClass *dc = klass; dc->vmsd = &vmstate_bell; }
static const TypeInfo bell_info = { .name = "bell", .parent = "device", .class_init = bell_class_init };
"""

SMALL = """
pub struct Bell { echo: KIND, inside: Inside }
unsafe impl ObjectType for Bell { const TYPE_NAME: &'static CStr = c"bell"; }
impl DeviceImpl for Bell { fn vmsd() -> Option<&'static VMStateDescription> { Some(&VMSTATE_BELL) } }
extern "C" fn heard(opaque: *mut c_void) -> bool {
    let state = NonNull::new(opaque).unwrap().cast::<Bell>();
    unsafe { state.as_ref().echo }
}
static VMSTATE_ECHO: VMStateDescription = VMStateDescription {
    name: c_str!("bell/echo").as_ptr(), version_id: 1, minimum_version_id: 1, needed: Some(heard),
    fields: vmstate_fields! { vmstate_of!(Bell, echo), },
    ..Zeroable::ZERO
};
static VMSTATE_INSIDE: VMStateDescription = VMStateDescription {
    name: c_str!("bell/inside").as_ptr(), version_id: 9, fields: vmstate_fields! { vmstate_of!(Inside, echo), },
    ..Zeroable::ZERO
};
struct Inside { echo: u8 }
pub static VMSTATE_BELL: VMStateDescription = VMStateDescription {
    name: c_str!("bell").as_ptr(), version_id: 3, minimum_version_id: 2,
    fields: vmstate_fields! { vmstate_struct!(Bell, inside, &VMSTATE_INSIDE, Held<Inside>), },
    subsections: vmstate_subsections! { VMSTATE_ECHO },
    ..Zeroable::ZERO
};
"""

LIB = 'pub const TYPE_BELL: &CStr = c"bell";\nmod kinds;\n'
HEADER = '#define TYPE_DEVICE "device"\n'
BUILD = "rust_devices_ss.add(when: 'CONFIG_X_BELL_RUST', if_true: [x])\n"


def tree_of(folder: Path, **files: str) -> Path:
    """A tree with the beeper of the fixtures, and a crate besides."""
    for path in (FIXTURES / "source" / "beeper").rglob("*"):
        if path.is_file():
            place = folder / path.relative_to(FIXTURES / "source" / "beeper")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    content = {
        "rust/migration/src/vmstate.rs": LIBRARY,
        "rust/core/src/lib.rs": "unsafe impl ObjectType for Device { const TYPE_NAME: &CStr = bindings::TYPE_DEVICE; }",
        "rust/hw/bell/meson.build": BUILD,
        "include/hw/core.h": HEADER,
    }
    for name, text in (content | files).items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> SourceTree:
    files = {
        "rust/hw/bell/src/lib.rs": LIB + "#[cfg(test)]\nmod tests { static A: VMStateDescription<B> = C; }",
        "rust/hw/bell/src/kinds.rs": TYPES,
        "rust/hw/bell/src/device.rs": DEVICE,
    }
    return read_tree(str(tree_of(tmp_path_factory.mktemp("tree"), **files)))


@pytest.fixture(scope="module")
def crate(read: SourceTree) -> UnitResult:
    return next(unit for unit in read.twins if unit.path == "rust/hw/bell/src")


def described(crate: UnitResult, symbol: str) -> SourceDescription:
    return next(vmsd for vmsd in crate.descriptions if vmsd.symbol == symbol)


def field(crate: UnitResult, symbol: str, name: str) -> SourceField:
    return next(field for field in described(crate, symbol).fields if field.name == name)


def test_all_is_told(crate: UnitResult) -> None:
    assert crate.problems == ()
    assert crate.option == "CONFIG_X_BELL_RUST"


def test_versions_and_order(crate: UnitResult) -> None:
    bell = described(crate, "VMSTATE_BELL")
    assert (bell.name, bell.version, bell.minimum, bell.hooks) == ("bell", 3, 2, ("pre_save",))
    assert [field.name for field in bell.fields] == [
        "unused", "regs", "fifo", "mask", "no more than there are", "rings", "deep.inner.level"
    ]  # fmt: skip
    assert bell.subsections == ("VMSTATE_ECHO",)


@pytest.mark.parametrize(
    ("symbol", "name", "values"),
    [
        ("VMSTATE_BELL", "unused", {"info": "vmstate_info_unused_buffer", "size": 8, "flags": ("VMS_BUFFER",)}),
        ("VMSTATE_BELL", "fifo", {"info": "vmstate_info_uint16", "size": 2, "count": 4, "flags": ("VMS_ARRAY",)}),
        ("VMSTATE_BELL", "mask", {"info": "vmstate_info_uint16", "size": 2, "version": 3, "flags": ("VMS_SINGLE",)}),
        ("VMSTATE_BELL", "regs", {"vmsd": "Moved<Held<Regs>>", "flags": ("VMS_STRUCT",)}),
        ("VMSTATE_BELL", "rings", {"vmsd": "VMSTATE_RING", "count": 2, "exists": "Bell::few", "size": 8}),
        ("VMSTATE_BELL", "deep.inner.level", {"info": "vmstate_info_uint16", "size": 2}),
        ("VMSTATE_BELL", "no more than there are", {"flags": ("VMS_MUST_EXIST", "VMS_ARRAY"), "exists": "Bell::few"}),
        ("VMSTATE_RING", "rows", {"count_from": "used", "version": 1, "flags": ("VMS_VARRAY_UINT8",), "size": 1}),
        ("VMSTATE_RING", "all", {"count_from": "part", "count": 16,
                                 "flags": ("VMS_VARRAY_UINT32", "VMS_MULTIPLY_ELEMENTS")}),
        ("Moved<Held<Regs>>", "held", {"vmsd": "RegsMigration", "flags": ("VMS_STRUCT", "VMS_POINTER")}),
        ("RegsMigration", "on", {"info": "vmstate_info_uint8", "size": 1}),
        ("RegsMigration", "tick", {"info": "vmstate_info_int64", "size": 8}),
        ("RegsMigration", "words", {"info": "vmstate_info_uint16", "size": 2, "count": 2}),
    ],
)  # fmt: skip
def test_a_field_is_what_its_type_says(crate: UnitResult, symbol: str, name: str, values: dict[str, object]) -> None:
    made = field(crate, symbol, name)
    assert {key: getattr(made, key) for key in values} == values


def test_what_is_left_out_is_no_member(tmp_path: Path) -> None:
    device = DEVICE.replace("vmstate_of!(RegsMigration, mode)", "vmstate_of!(RegsMigration, gone)")
    files = {"rust/hw/bell/src/lib.rs": LIB, "rust/hw/bell/src/kinds.rs": TYPES}
    tree = read_tree(str(tree_of(tmp_path, **files, **{"rust/hw/bell/src/device.rs": device})))
    [problem] = tree.problems
    assert problem.path == "rust/hw/bell/src/device.rs"
    assert problem.line == device[: device.index("RegsMigration, gone")].count("\n") + 1
    assert problem.reason == "the struct RegsMigration has no member 'gone'"


def test_a_function_of_one_expression(crate: UnitResult) -> None:
    heard = next(function for function in crate.functions if function.name == "Bell::heard")
    assert heard.returns == "((this.on != 0) & ((this.echo == 16) == 0))"
    assert next(function for function in crate.functions if function.name == "Bell::few").returns is None


def test_the_class_and_its_properties(crate: UnitResult) -> None:
    [kind] = crate.types
    assert (kind.name, kind.parent, kind.vmsd, kind.properties) == ("bell", "device", "VMSTATE_BELL", ("Bell",))
    [loud] = crate.visible
    assert (loud.name, loud.member, loud.bit, loud.value, loud.info) == ("loud", "flags", 2, "1", "qdev_prop_bit")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    files = {
        "hw/bell/bell.c": C_BELL.replace("typedef struct {", '#include "migration/vmstate.h"\ntypedef struct {', 1)
    }
    return tree_of(tmp_path / "tree", **files, **{"rust/hw/bell/src/lib.rs": SMALL.replace("KIND", "Held<u8>")})


def served(tree: SourceTree) -> str:
    return next(unit.path for name, unit, _ in Linked(tree).devices() if name == "bell")


def test_who_serves_is_an_option(small: Path) -> None:
    assert served(read_tree(str(small))) == "hw/bell/bell.c"
    assert served(read_tree(str(small), options={"CONFIG_HAVE_RUST": True})) == "rust/hw/bell/src"
    assert served(read_tree(str(small), options={"CONFIG_X_BELL_RUST": True})) == "rust/hw/bell/src"
    both = {"CONFIG_HAVE_RUST": True, "CONFIG_X_BELL_RUST": False}
    assert served(read_tree(str(small), options=both)) == "hw/bell/bell.c"


def test_the_same_bytes_are_the_same(small: Path) -> None:
    tree = read_tree(str(small))
    assert tree.problems == ()
    assert rust_defects(tree) == []


def test_another_size_is_told(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = small / "rust/hw/bell/src/lib.rs"
    place.write_text(SMALL.replace("KIND", "Held<u32>"))
    assert main(["source", "lint", str(small), "--no-cache"]) == 1
    line = SMALL[: SMALL.index("vmstate_of!(Bell, echo)")].count("\n") + 1
    expected = (
        f"rust/hw/bell/src/lib.rs:{line}: defect: bell/echo: C sends 'echo' of 1 bytes, and Rust 'echo' of 4 bytes "
        "[rust-differs]"
    )
    assert expected in capsys.readouterr().out.splitlines()


def test_what_c_has_alone_is_told(small: Path) -> None:
    place = small / "rust/hw/bell/src/lib.rs"
    place.write_text(SMALL.replace("subsections: vmstate_subsections! { VMSTATE_ECHO },", "").replace("KIND", "u8"))
    [finding] = rust_defects(read_tree(str(small)))
    assert "the subsection 'bell/echo' is one of C alone" in finding.message
    place.write_text(SMALL.replace("Some(&VMSTATE_BELL)", "None").replace("KIND", "u8"))
    [finding] = rust_defects(read_tree(str(small)))
    assert "Rust has no description" in finding.message


def test_a_change_in_rust_is_a_change(small: Path) -> None:
    before = read_tree(str(small))
    (small / "rust/hw/bell/src/lib.rs").write_text(SMALL.replace("KIND", "Held<u16>"))
    findings = rust_changes(before, read_tree(str(small), known=before))
    assert [(finding.rule, finding.name, finding.field) for finding in findings] == [
        ("field-resized", "bell/echo", "echo")
    ]
    assert rust_changes(before, before) == []


def test_a_file_more_is_read(small: Path) -> None:
    before = read_tree(str(small))
    again = read_tree(str(small), known=before)
    assert again.read == 0
    (small / "rust/hw/bell/src/more.rs").write_text("static VMSTATE_MORE: VMStateDescription = VMStateDescription {};")
    assert "VMSTATE_MORE" in {
        vmsd.symbol for unit in read_tree(str(small), known=before).twins for vmsd in unit.descriptions
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("struct A([A; 1]); impl_vmstate_forward!(A); FIELD", "types that nest too deeply"),
        ("struct A(Box<A>); impl_vmstate_strange!(A); FIELD", "impl_vmstate_strange!, which is not known"),
        ("struct A(u7); FIELD", "A, which has no VMState that is seen here"),
        ("struct A([u8; N]); const N: usize = M; const M: usize = N; impl_vmstate_forward!(A); FIELD", "without end"),
        ("struct A([u8; f(3)]); impl_vmstate_forward!(A); FIELD", "f, which is no constant here"),
        ("type A = B; type B = A; FIELD", "types that nest too deeply"),
        ("FIELDS mine!(Q, a)", "mine! with 2 arguments, which is not known"),
        ("FIELDS vmstate_of!(Q, a).with_luck(3)", "with_luck(), which is not known"),
        ("FIELDS vmstate_of!(Q, b)", "the struct Q has no member 'b'"),
        ("FIELDS vmstate_of!(Z, a)", "the struct Z, which is not seen here"),
        ("FIELDS vmstate_of!(Q, a[0 .. n])", "has no member 'n'"),
        ("FIELDS vmstate_of!(Q, a, nobody)", "nobody(), which is not seen here"),
    ],
)
def test_what_is_not_resolved_is_said(small: Path, text: str, reason: str) -> None:
    inside = text.partition("FIELDS ")[2] or "vmstate_of!(Q, a)"
    head = text.removesuffix("FIELD") if text.endswith("FIELD") else "type A = u8;"
    row = f"fields: vmstate_fields! {{ {inside}, }}"
    made = f'VMStateDescription {{ name: c"q", {row} }}'
    text = f"{head} struct Q {{ a: A }}\nstatic VMSTATE_Q: VMStateDescription = {made};"
    (small / "rust/hw/bell/src/lib.rs").write_text(SMALL.replace("KIND", "u8"))
    (small / "rust/hw/bell/src/more.rs").write_text(text)
    problems = read_tree(str(small)).problems
    assert [problem.path for problem in problems] == ["rust/hw/bell/src/more.rs"] * len(problems)
    assert any(reason in problem.reason for problem in problems)


@pytest.mark.parametrize(
    "text",
    ["{" * 5000, "[[[[", "static VMSTATE_A: VMStateDescription = ", 'c"', "/*" * 9, "impl<", "struct", "#[", "'", "\\",
     "const VMSTATE_A: VMStateDescription = {{{{ name: }", "x!" * 3, "fn f(", "&" * 400, "static V: " + "[" * 3000],
)  # fmt: skip
def test_what_does_not_parse_ends(small: Path, text: str) -> None:
    (small / "rust/hw/bell/src/more.rs").write_text(f"{text} // VMState")
    assert {unit.path for unit in read_tree(str(small)).twins} == {"rust/hw/bell/src"}


def test_what_is_not_told_is_not_judged(small: Path) -> None:
    """A macro of somebody else: that C sends something else is not known then."""
    text = SMALL.replace("KIND", "u16").replace("vmstate_of!(Bell, echo)", "mine!(Bell, echo)")
    (small / "rust/hw/bell/src/lib.rs").write_text(text)
    tree = read_tree(str(small))
    assert [problem.reason for problem in tree.problems] == ["mine! with 2 arguments, which is not known"]
    assert rust_defects(tree) == []


def test_too_much_is_refused(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rust, "MAX_BYTES", 1000)
    with pytest.raises(VMStateError, match="more than 0 MiB of Rust"):
        read_tree(str(small))


def test_too_many_tokens_are_told(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rust_items, "MAX_TOKENS", 20)
    reasons = {problem.reason for problem in read_tree(str(small)).problems}
    assert "more than 20 tokens" in reasons


RECORDED = FIXTURES / "source" / "rust.json.xz"


def recorded() -> dict[str, SourceTree]:
    """What was read of QEMU's devices in Rust and of the same in C, by revision."""
    raw = json.loads(lzma.decompress(RECORDED.read_bytes()))
    return {
        name: SourceTree(name, None, "x86_64", tuple(map(UnitResult.of_json, rows["units"])), (), {}, 0,
                         tuple(map(UnitResult.of_json, rows["twins"])))
        for name, rows in raw.items()
    }  # fmt: skip


def test_qemus_rust_is_what_its_c_sends() -> None:
    """But for what docs/qemu-defects.md has."""
    told = {
        name: [(finding.name, finding.field) for finding in rust_defects(tree)] for name, tree in recorded().items()
    }
    level = [("hpet/rtc_irq_level", "rtc_irq_level")]
    assert told == {"10.0": [("hpet", None)], "10.1": level, "10.2": level, "10.2.50": level}


def test_the_size_of_the_level_is_why() -> None:
    tree = recorded()["10.2"]
    raw = json.dumps([unit.as_json() for unit in tree.twins])
    where = raw.index('"rtc_irq_level"', raw.index('"hpet/rtc_irq_level"'))
    mended = raw[:where] + raw[where:].replace("uint32", "uint8", 1)
    twins = tuple(map(UnitResult.of_json, json.loads(mended)))
    assert rust_defects(SourceTree("", None, "x86_64", tree.units, (), {}, 0, twins)) == []


@pytest.mark.slow
@pytest.mark.skipif(not TREES, reason="set VMSTATE_QEMU_SOURCE to source trees of QEMU")
@pytest.mark.parametrize("name", TREES or ["none"])
def test_a_tree_has_no_more(name: str) -> None:
    tree = read_tree(name)
    assert {finding.name for finding in rust_defects(tree)} <= {"hpet", "hpet/rtc_irq_level"}
    assert [problem for problem in tree.problems if problem.path.endswith(".rs")] == []

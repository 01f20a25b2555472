"""What a change of a tree of snippets breaks, and what is wrong with one by itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from vmstate.cli import main
from vmstate.compare.compat import compat
from vmstate.compare.source_lint import RULES, changes, defects, with_promises
from vmstate.compare.source_visible import list_changes, list_defects
from vmstate.source.linking import Linked
from vmstate.source.reading import SourceTree, read_tree

BEEPER = Path(__file__).resolve().parents[2] / "fixtures" / "source" / "beeper"
DEVICE = "hw/audio/beeper.c"
HEADER = "include/hw/beeper.h"

Change = tuple[str, str, str]
Changed = Callable[..., Path]


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """A copy of the snippets with pieces of files replaced."""

    def change(*changes_made: Change) -> Path:
        tree = tmp_path / f"tree{len(list(tmp_path.iterdir()))}"
        shutil.copytree(BEEPER, tree)
        for file, before, after in changes_made:
            text = (tree / file).read_text(encoding="utf-8")
            assert before in text
            (tree / file).write_text(text.replace(before, after, 1), encoding="utf-8")
        return tree

    return change


@pytest.fixture(scope="module")
def beeper() -> SourceTree:
    return read_tree(str(BEEPER))


MODE = "        VMSTATE_UINT8(mode, BeeperState),\n"
ECHO = "VMSTATE_UINT8(echo, BeeperState),"
NEW_SUB = (
    DEVICE,
    "static const VMStateDescription vmstate_beeper =",
    "static const VMStateDescription vmstate_beeper_new = {\n    .name = \"beeper/new\",\n"
    "    .fields = (const VMStateField[]) { VMSTATE_UINT8(echo, BeeperState), VMSTATE_END_OF_LIST() }\n};\n"
    "static const VMStateDescription vmstate_beeper =",
)  # fmt: skip
LATE = "static int beeper_late(void *opaque, int version_id)\n{\n    X *s = opaque;\n\n    return 0;\n}\n"
HOOK = (
    DEVICE,
    "static const VMStateDescription vmstate_beeper = {\n",
    LATE + "static const VMStateDescription vmstate_beeper = {\n    .post_load = beeper_late,\n",
)
REALIZE = (
    DEVICE,
    "static void beeper_class_init",
    "static void beeper_on(void *dev)\n{\n    vmstate_register(NULL, 3, &vmstate_beeper, dev);\n}\n"
    "static void beeper_realize(DeviceState *dev, Error **errp)\n{\n    beeper_on(dev);\n}\n"
    "static void beeper_unrealize(DeviceState *dev)\n{\n    vmstate_unregister(NULL, &vmstate_beeper, dev);\n}\n"
    "static void beeper_class_init",
)
UNREALIZED = "    dc->realize = beeper_realize;\n    dc->unrealize = beeper_unrealize;\n"
OLD_DEVICE = """static ISADeviceInfo beeper_old = {
    .qdev.name = "old-beeper",
    .qdev.size = sizeof(BeeperBoard),
    .qdev.vmsd = &vmstate_beeper,
};
"""
POINTED = (
    '{ .name = "%s", .size = 16, .info = &vmstate_info_buffer, .flags = VMS_BUFFER|VMS_POINTER, '
    ".offset = offsetof(BeeperState, name) }"
)
POINTERS = POINTED.replace("VMS_P", "VMS_ARRAY_OF_POINTER|VMS_P")
REGS_DEVICE = """static void regs_class_init(ObjectClass *klass, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    dc->vmsd = &vmstate_beeper_regs;
}
static const TypeInfo regs_info = { .name = "regs", .instance_size = sizeof(%s), .class_init = regs_class_init };
static const TypeInfo beeper_info"""
SAVEVM = """static void beeper_init(void *dev)
{
    register_savevm_live("beeper-ram", 0, 1, &handlers, dev);
}
void beeper_exit(void *dev)
{
}
static void beeper_class_init"""
COMPAT = """GlobalProperty hw_compat_9_1[] = { { "x", "y", "on" } };
GlobalProperty hw_compat_9_2[] = { { "x", "z", "on" } };
"""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ([(DEVICE, MODE, MODE + "        VMSTATE_UINT32(volume, BeeperState),\n")], {"field-inserted:volume"}),
        ([(DEVICE, MODE, "")], {"field-removed:mode"}),
        ([(DEVICE, "VMSTATE_UINT8(mode,", "VMSTATE_UINT32(mode,")], {"field-resized:mode"}),
        # The cause stands in another file.
        ([(HEADER, "4 << 1", "4 << 2")], {"field-resized:envelope"}),
        ([(HEADER, "name[16]", "name[17]")], {"field-resized:name"}),
        ([(DEVICE, MODE, ""), (DEVICE, "        VMSTATE_BUFFER", MODE + "        VMSTATE_BUFFER")],
         {"field-moved:mode"}),
        ([(DEVICE, ".version_id = 2,", ".version_id = 1,")], {"version-lowered:", "never-sent:volume"}),
        ([(DEVICE, ".version_id = 2,\n    .minimum_version_id = 1,", ".version_id = 3,\n    .minimum_version_id = 3,")],
         {"version-raised:", "minimum-raised:"}),
        # A field of its own version, and the version with it: the way it is to be done.
        ([(DEVICE, ".version_id = 2,", ".version_id = 3,"),
          (DEVICE, "        VMSTATE_UINT32_V(volume, BeeperState, 2),\n",
           "        VMSTATE_UINT32_V(volume, BeeperState, 2),\n        VMSTATE_UINT32_V(tune, BeeperState, 3),\n")],
         {"version-raised:"}),
        # The version of a nested struct is not on the wire.
        ([(DEVICE, '"beeper/regs",\n    .version_id = 1', '"beeper/regs",\n    .version_id = 2'),
          (DEVICE, "        VMSTATE_UINT32(pitch, BeeperRegs),\n",
           "        VMSTATE_UINT32(pitch, BeeperRegs),\n        VMSTATE_UINT32_V(more, BeeperRegs, 2),\n")],
         {"struct-version:more"}),
        ([(DEVICE, "s->mode == BEEPER_TUNE", "s->mode != 0")], {"predicate-changed:tune"}),
        ([(DEVICE, "s->echo != 0", "s->echo > 1")], {"predicate-changed:"}),
        ([(DEVICE, "        &vmstate_beeper_echo,\n", "")], {"subsection-removed:beeper/echo"}),
        ([NEW_SUB, (DEVICE, "        &vmstate_beeper_echo,\n", "        &vmstate_beeper_echo, &vmstate_beeper_new,\n")],
         {"subsection-always:beeper/new"}),
        ([(DEVICE, "return s->echo != 0;", "return true;"),
          (DEVICE, "        &vmstate_beeper_echo,\n", "        &vmstate_beeper_echo, &vmstate_beeper_new,\n"),
          (NEW_SUB[0], NEW_SUB[1], NEW_SUB[2].replace(".fields", ".needed = beeper_echo_needed,\n    .fields", 1))],
         {"subsection-always:beeper/new", "predicate-changed:"}),
        # What is sent is another struct than its condition, its hook, or its device, is.
        ([HOOK, (DEVICE, LATE, LATE.replace("X", "BeeperRegs"))], {"predicate-object:"}),
        ([HOOK, (DEVICE, LATE, LATE.replace("X", "BeeperState"))], set()),
        ([(DEVICE, "BeeperState *s = opaque;\n\n    return s->mode == BEEPER_TUNE",
           "BeeperRegs *s = opaque;\n\n    return s->pitch")], {"predicate-changed:tune", "predicate-object:tune"}),
        ([(DEVICE, "BeeperState *s = opaque;\n\n    return s->echo", "BeeperRegs *s = opaque;\n\n    return s->pitch")],
         {"predicate-changed:", "predicate-object:"}),
        ([(DEVICE, '.parent = "isa-device",', '.instance_size = sizeof(BeeperState),')], set()),
        ([(DEVICE, '.parent = "isa-device",', '.instance_size = sizeof(BeeperBoard),'),
          (HEADER, "#endif", "typedef struct { BeeperState parent_obj; int more; } BeeperBoard;\n#endif")], set()),
        ([(DEVICE, '.parent = "isa-device",', '.instance_size = sizeof(BeeperBoard),'),
          (HEADER, "#endif", "typedef struct { int more; BeeperState state; } BeeperBoard;\n#endif")],
         {"device-object:mode"}),
        ([(DEVICE, "static const TypeInfo beeper_info", OLD_DEVICE + "static const TypeInfo beeper_info"),
          (HEADER, "#endif", "typedef struct { int more; BeeperState state; } BeeperBoard;\n#endif")],
         {"device-object:mode"}),
        # Registered by hand: in another way than before, and never taken away.
        ([(DEVICE, "    dc->vmsd = &vmstate_beeper;\n", "    dc->realize = beeper_realize;\n"), REALIZE],
         {"registration-changed:"}),
        ([(DEVICE, "    dc->vmsd = &vmstate_beeper;\n", UNREALIZED), REALIZE], {"registration-changed:"}),
        ([(DEVICE, "    dc->vmsd = &vmstate_beeper;\n", UNREALIZED), REALIZE,
          (DEVICE, "vmstate_unregister(NULL, &vmstate_beeper, dev)", "beeper_off(dev)")],
         {"registration-changed:", "stays-registered:"}),
        ([(DEVICE, '.name = "beeper",', '.name = "buzzer",')], {"name-changed:", "subsection-name:beeper/echo"}),
        ([(DEVICE, '.name = "beeper",', '.name = "beeper", .unmigratable = 1,')], {"unmigratable-changed:"}),
        ([(DEVICE, '.name = "beeper",', '.name = "beeper", .priority = MIG_PRI_HIGH,')], {"priority-changed:"}),
        ([(DEVICE, "    dc->vmsd = &vmstate_beeper;\n", "")], {"description-removed:beeper"}),
        # Not on the wire: another name in C, another macro for the same bytes, the struct, a field given a new name.
        ([(HEADER, "uint32_t tune, volume;", "uint64_t more;\n    uint32_t tune, volume;")], set()),
        ([(DEVICE, "VMSTATE_UINT8(mode, BeeperState)",
           "VMSTATE_SINGLE_TEST(mode, BeeperState, NULL, 1, vmstate_info_uint8, uint8_t)")], set()),
        ([(DEVICE, "VMSTATE_UINT8(mode, BeeperState)", "VMSTATE_UINT8(kind, BeeperState)")], set()),
        ([(DEVICE, "VMSTATE_UINT32_V(volume, BeeperState, 2)", "VMSTATE_UINT32_V(volume, BeeperState, 3)")],
         {"field-removed:volume", "never-sent:volume"}),
        ([(DEVICE, ECHO + "\n        VMSTATE_END_OF_LIST()", ECHO)], {"no-end:"}),
        ([(DEVICE, '.name = "beeper",', '.name = "beeper", .name = "beeper",')], {"member-twice:name"}),
        # A pointer is sent for what it points at, and the other way round; an array of pointers is neither.
        ([(HEADER, "uint8_t mode;", "uint8_t *mode;")], {"pointer-mismatch:mode"}),
        ([(HEADER, "name[16]", "*name")], {"pointer-mismatch:name", "field-resized:name"}),
        ([(HEADER, "BeeperRegs regs;", "BeeperRegs *regs;")], {"pointer-mismatch:regs"}),
        ([(DEVICE, "VMSTATE_BUFFER(name, BeeperState)", POINTED % "name")], {"pointer-mismatch:name"}),
        ([(DEVICE, "VMSTATE_BUFFER(name, BeeperState)", POINTED % "name"), (HEADER, "name[16]", "*name")], set()),
        ([(DEVICE, "VMSTATE_BUFFER(name, BeeperState)", POINTERS % "name")], set()),
        ([(DEVICE, "VMSTATE_BUFFER(name, BeeperState)", POINTED.replace("info_buffer", "info_own") % "name")],
         {"field-resized:name"}),
        # Fields whose macros the file does not see are not gone.
        ([(DEVICE, "VMSTATE_BUFFER(name, BeeperState)", "VMSTATE_ELSEWHERE(name, BeeperState)")], set()),
        ([(DEVICE, ".version_id = 2,", ".version_id = sizeof(uint16_t),")], {"version-of-size:"}),
        ([(DEVICE, "        &vmstate_beeper_echo,\n", "        &vmstate_beeper_echo, &vmstate_beeper,\n")],
         {"in-itself:"}),
        ([(DEVICE, MODE, MODE + "        VMSTATE_STRUCT(regs, BeeperState, 0, vmstate_beeper, BeeperRegs),\n")],
         {"in-itself:", "field-inserted:regs"}),
        # A description that is nested becomes a section of its own, or not; the device is what it is of, or not.
        ([(DEVICE, "static const TypeInfo beeper_info", REGS_DEVICE % "BeeperRegs")], {"sent-twice:"}),
        ([(DEVICE, "static const TypeInfo beeper_info", REGS_DEVICE % "BeeperState")], {"device-object:pitch"}),
        # What begins is to end.
        ([(DEVICE, "static void beeper_class_init", SAVEVM)], {"stays-registered:"}),
        ([(DEVICE, "static void beeper_class_init", SAVEVM.replace("\n}", "\n    unregister_savevm(dev);\n}"))], set()),
        ([(DEVICE, "static void beeper_class_init", SAVEVM.replace("beeper_exit", "beeper_on"))], set()),
    ],
)  # fmt: skip
def test_what_a_change_breaks(changed: Changed, beeper: SourceTree, change: list[Change], expected: set[str]) -> None:
    old, new = Linked(beeper), Linked(read_tree(str(changed(*change)), known=beeper))
    findings = [*changes(old, new), *defects(new)]
    assert {f"{finding.rule}:{finding.field or ''}" for finding in findings} == expected
    assert all(finding.severity and finding.rule in RULES for finding in findings)


def test_a_finding_says_where(changed: Changed, beeper: SourceTree) -> None:
    tree = changed((DEVICE, MODE, MODE + "        VMSTATE_UINT32(volume, BeeperState),\n"))
    (finding,) = changes(Linked(beeper), Linked(read_tree(str(tree))))
    assert (finding.path, finding.line, finding.severity) == (DEVICE, 47, "breaks")
    assert "VMSTATE_UINT32(volume" in (tree / DEVICE).read_text(encoding="utf-8").splitlines()[46]


POINTED = (
    DEVICE,
    "VMSTATE_BUFFER(name, BeeperState),",
    'VMSTATE_BUFFER(name, BeeperState), { .name = "more", .info = &vmstate_info_uint8, .size = 1, '
    ".flags = VMS_SINGLE | VMS_POINTER, .offset = offsetof(BeeperState, more) },",
)


def made(statement: str) -> tuple[Change, ...]:
    """A field that points at what a statement makes."""
    function = f"static void beeper_make(BeeperState *s)\n{{\n    {statement}\n}}\nstatic void beeper_class_init"
    return (
        POINTED,
        (HEADER, "uint8_t mode;", "uint8_t mode, *more;"),
        (DEVICE, "static void beeper_class_init", function),
    )


@pytest.mark.parametrize(
    ("before", "after", "rules"),
    [
        ("s->more = g_new0(uint8_t, 1);", "if (s->mode) {\n s->more = g_new0(uint8_t, 1);\n}", {"memory-conditional"}),
        ("s->more = g_new0(uint8_t, 1);", "if (s->mode) s->more = g_malloc(1);", {"memory-conditional"}),
        ("s->more = g_new0(uint8_t, 1);", "while (s->mode) { s->more = g_malloc(1); }", set()),
        ("if (s->mode) s->more = g_malloc(1);", "if (s->echo) s->more = g_malloc(1);", set()),
    ],
)
def test_what_a_field_points_at(changed: Changed, before: str, after: str, rules: set[str]) -> None:
    old, new = (Linked(read_tree(str(changed(*made(statement))))) for statement in (before, after))
    assert {finding.rule for finding in changes(old, new)} == rules


def test_a_condition_that_comes_is_a_question_and_one_that_goes_an_error(changed: Changed, beeper: SourceTree) -> None:
    field = (DEVICE, ECHO, "VMSTATE_SINGLE_TEST(echo, BeeperState, beeper_has_tune, 0, vmstate_info_uint8, uint8_t),")
    plain, conditional = Linked(beeper), Linked(read_tree(str(changed(field))))
    moved = Linked(read_tree(str(changed(field, (DEVICE, "    .needed = beeper_echo_needed,\n", "")))))
    for old, new, severity in ((plain, conditional, "ask"), (conditional, plain, "breaks"), (moved, plain, "ask")):
        assert [each.severity for each in changes(old, new) if each.rule == "field-condition"] == [severity]


BY_HAND = '{ .name = "tree", .info = &vmstate_info_%s, .flags = VMS_SINGLE },'


def test_what_nobody_can_tell_is_a_question_or_left_out(changed: Changed) -> None:
    def between(*sides: tuple[Change, ...]) -> list[tuple[str, str]]:
        old, new = (Linked(read_tree(str(changed(*side)))) for side in sides)
        return [(finding.rule, finding.severity) for finding in [*changes(old, new), *defects(new)]]

    field = (DEVICE, "VMSTATE_UINT8(mode, BeeperState),")
    assert between(((*field, BY_HAND % "a"),), ((*field, BY_HAND % "b"),)) == [("field-type", "ask")]
    # What a function writes by hand has a size where it is a row of numbers.
    place = "static bool beeper_has"
    known = (DEVICE, place, 'const VMStateInfo vmstate_info_uint8 = { .name = "uint8" };\n' + place)
    for put, told in (("byte", set()), ("be16", {"field-inserted", "field-removed"})):
        text = f"static int put_a(QEMUFile *f, void *pv)\n{{\n    qemu_put_{put}(f, 1);\n}}\n"
        text += 'const VMStateInfo vmstate_info_a = { .name = "a", .put = put_a };\n' + place
        assert {rule for rule, _ in between((known,), (known, (*field, BY_HAND % "a"), (DEVICE, place, text)))} == told
    # A version that the tree does not tell is none.
    version = (
        DEVICE,
        "    .version_id = 2,\n    .minimum_version_id = 1,",
        "    .version_id = NEW, .minimum_version_id = NEW,",
    )
    assert between((), (version,)) == []
    # A struct's new version, with a field that is there under a condition.
    struct = (
        DEVICE,
        '    .name = "beeper/regs",\n    .version_id = 1,',
        '    .name = "beeper/regs",\n    .version_id = 2,',
    )
    pitch = (DEVICE, "VMSTATE_UINT32(pitch, BeeperRegs),")
    more = "VMSTATE_UINT32(pitch, BeeperRegs), VMSTATE_UINT32_TEST(more, BeeperRegs, beeper_has_tune),"
    assert ("struct-version", "ask") in between((), (struct, (*pitch, more)))


def test_a_class_that_is_abstract_and_a_description_of_another_file(changed: Changed) -> None:
    info = (DEVICE, '    .parent = "isa-device",', '    .parent = "isa-device", .abstract = true,')
    none = (DEVICE, "    dc->vmsd = &vmstate_beeper;\n", "")
    old, new = Linked(read_tree(str(changed(info)))), Linked(read_tree(str(changed(info, none))))
    assert [finding.rule for finding in changes(old, new)] == []
    tree = changed()
    text = (tree / DEVICE).read_text(encoding="utf-8").replace("VMSTATE_UINT8(mode, BeeperState),", "")
    (tree / "hw" / "audio" / "second.c").write_text(text, encoding="utf-8")
    both = Linked(read_tree(str(tree)))
    plain = Linked(read_tree(str(BEEPER)))
    assert [finding.path for finding in changes(plain, both)] == []
    (tree / DEVICE).unlink()
    moved = Linked(read_tree(str(tree)))
    assert [(each.rule, each.path) for each in changes(plain, moved)] == [("field-removed", "hw/audio/second.c")]


def test_a_count_that_becomes_one_of_run_time_is_a_question(changed: Changed) -> None:
    array = "VMSTATE_UINT16_ARRAY(envelope, BeeperRegs, BEEPER_STEPS)"
    counted = (
        '{ .name = "envelope", .info = &vmstate_info_uint16, .size = 2, .flags = VMS_VARRAY_UINT32, '
        ".num_offset = offsetof(BeeperRegs, pitch), .offset = offsetof(BeeperRegs, envelope) }"
    )
    new = Linked(read_tree(str(changed((DEVICE, array, counted)))))
    (finding,) = changes(Linked(read_tree(str(BEEPER))), new)
    assert (finding.rule, finding.severity) == ("field-resized", "ask")
    assert finding.message.endswith("is pitch then 8?")


def test_another_member_that_sizes_a_buffer_is_a_question(changed: Changed) -> None:
    sized = '{ .name = "name", .info = &vmstate_info_buffer, .flags = VMS_BUFFER, '
    sized += ".size_offset = offsetof(BeeperState, %s) }"
    trees = [changed((DEVICE, "VMSTATE_BUFFER(name, BeeperState)", sized % member)) for member in ("mode", "echo")]
    findings = changes(*(Linked(read_tree(str(tree))) for tree in trees))
    assert [(finding.rule, finding.severity, finding.field) for finding in findings] == [
        ("field-resized", "ask", "name")
    ]


def test_a_count_and_its_fields_can_have_new_names(changed: Changed) -> None:
    """As many bytes in the same order: what counts and what is counted are called otherwise."""
    rows = (
        '{ .name = "%s", .size = 1, .info = &vmstate_info_uint8, .flags = VMS_SINGLE, .offset = offsetof(BeeperState, '
        '%s) }, { .name = "%s", .size = 1, .info = &vmstate_info_%s, .flags = VMS_VARRAY_UINT32, .num_offset = '
        "offsetof(BeeperState, %s), .offset = offsetof(BeeperState, name) }"
    )
    sides = []
    for row in (("count", "echo", "rows", "uint8", "echo"), ("many", "mode", "lines", "uint8", "mode"),
                ("many", "mode", "lines", "uint16", "mode")):  # fmt: skip
        tree = changed((DEVICE, "VMSTATE_BUFFER(name, BeeperState)", rows % row))
        sides.append(Linked(read_tree(str(tree))))
    assert changes(*sides[:2]) == []
    assert {each.rule for each in changes(sides[0], sides[2])} == {"field-inserted", "field-removed"}


def test_a_narrower_field_with_padding_is_a_question(changed: Changed, beeper: SourceTree) -> None:
    """As many bytes: whether the right ones is asked."""
    place = "VMSTATE_UINT32_V(volume, BeeperState, 2),"
    pad = (
        '{ .name = "unused", .size = %d, .version_id = 2, .info = &vmstate_info_unused_buffer, .flags = VMS_BUFFER }, '
    )
    infos = "".join(f'const VMStateInfo vmstate_info_{name} = {{ .name = "{name}" }};\n'
                    for name in ("uint8", "uint32", "unused_buffer", "buffer"))  # fmt: skip
    known = (DEVICE, "static bool beeper_has", infos + "static bool beeper_has")
    narrow = "VMSTATE_SINGLE_TEST(volume, BeeperState, NULL, 2, vmstate_info_uint8, uint8_t),"
    old = Linked(read_tree(str(changed(known))))
    for bytes_left, expected in ((3, [("field-resized", "ask")]), (2, None)):
        new = Linked(read_tree(str(changed(known, (DEVICE, place, pad % bytes_left + narrow)))))
        told = [(each.rule, each.severity) for each in changes(old, new)]
        assert told == expected if expected else "breaks" in {severity for _, severity in told}


def test_a_device_that_gets_another_description(changed: Changed, beeper: SourceTree) -> None:
    """Its section is then what that says: under another name, or with other fields."""
    given = (DEVICE, "dc->vmsd = &vmstate_beeper;", "dc->vmsd = &vmstate_buzzer;")
    place = "static void beeper_class_init"
    text = 'static const VMStateDescription vmstate_buzzer = {\n    .name = "%s",\n    .version_id = 2,\n'
    text += "    .minimum_version_id = 1,\n    .fields = (const VMStateField[]) {\n%s"
    text += "        VMSTATE_END_OF_LIST()\n    }\n};\n" + place
    rules_told = {}
    for name in ("buzzer", "beeper"):
        tree = changed(given, (DEVICE, place, text % (name, MODE)))
        rules_told[name] = {each.rule for each in changes(Linked(beeper), Linked(read_tree(str(tree))))}
    assert rules_told["beeper"] == {"field-removed", "subsection-removed"}
    assert rules_told["buzzer"] == {"name-changed", *rules_told["beeper"]}


def test_what_could_not_be_migrated_sent_nothing(changed: Changed) -> None:
    """Only that it can be, now, is to be said."""
    mark = (DEVICE, '.name = "beeper",', '.name = "beeper", .unmigratable = 1,')
    before, after = changed(mark), changed((DEVICE, MODE, ""), (DEVICE, '.name = "beeper",', '.name = "bell",'))
    findings = changes(Linked(read_tree(str(before))), Linked(read_tree(str(after))))
    assert {finding.rule for finding in findings if finding.symbol == "vmstate_beeper"} == {"unmigratable-changed"}


def test_entries_belong_into_the_newest_list(changed: Changed) -> None:
    before = read_tree(str(changed((DEVICE, "static bool beeper_has", COMPAT + "static bool beeper_has"))))
    wrong = COMPAT.replace('{ "x", "y", "on" }', '{ "x", "y", "on" }, { "beeper", "echo", "off" }')
    right = COMPAT.replace('{ "x", "z", "on" }', '{ "x", "z", "on" }, { "beeper", "echo", "off" }')
    for text, rules in ((wrong, ["compat-not-newest"]), (right, [])):
        after = read_tree(str(changed((DEVICE, "static bool beeper_has", text + "static bool beeper_has"))))
        assert [finding.rule for finding in changes(Linked(before), Linked(after))] == rules


def test_what_was_registered_by_hand(changed: Changed) -> None:
    """It is not any more, or is in another way: by its device, or under another version."""

    def rules(before: str, after: str, *more: Change) -> list[tuple[str, str]]:
        sides = []
        for text in (before, after):
            place = (DEVICE, "    dc->vmsd = &vmstate_beeper;\n", text)
            sides.append(Linked(read_tree(str(changed(place, *(more if text == after else ()))))))
        return [(finding.rule, finding.severity) for finding in changes(*sides)]

    by_hand = "    vmstate_register(NULL, %s, &vmstate_beeper, dc);\n"
    by_device = "    dc->vmsd = &vmstate_beeper;\n"
    assert rules(by_hand % "-1", "\n") == [("section-gone", "breaks")]
    assert rules(by_hand % "dc->id", by_device)[1:] == [("registration-changed", "breaks")]
    assert rules(by_hand % "0", by_device)[1:] == [("registration-changed", "ask")]
    assert [rule for rule, _ in rules(by_hand % "-1", by_device)] == ["description-new"]
    savevm = '    register_savevm_live("beeps", 0, %d, &handlers, dc);\n'
    assert rules(savevm % 3, savevm % 4) == [("version-raised", "backward")]
    assert rules(savevm % 3, savevm % 2) == [("version-lowered", "breaks")]
    assert rules(savevm % 3, savevm % 3) == []


MACHINES = """
static void board_machine_9_2_options(MachineClass *m)
{
}
static void board_machine_9_1_options(MachineClass *m)
{
    board_machine_9_2_options(m);
    compat_props_add(m->compat_props, hw_compat_9_1, hw_compat_9_1_len);
}
static void board_machine_9_0_options(MachineClass *m)
{
    board_machine_9_1_options(m);
}
"""


@pytest.mark.parametrize(
    ("before", "after", "rules"),
    [
        ("", "", []),
        ("9_2_options(MachineClass *m)\n{\n", "9_2_options(MachineClass *m)\n{\n    add(m, hw_compat_9_1, len);\n",
         ["compat-of-older"]),
        ("    board_machine_9_1_options(m);\n", "", ["machine-without-list"]),
        ("    board_machine_9_1_options(m);\n", "    add(m, hw_compat_9_0, len);\n", []),
    ],
)  # fmt: skip
def test_a_machine_type_takes_its_list(changed: Changed, before: str, after: str, rules: list[str]) -> None:
    text = MACHINES.replace(before, after, 1) if before else MACHINES
    # Functions that take no list at all are for something else.
    for made, expected in ((text, rules), (text.replace("hw_compat_9", "hw_more_9"), [])):
        tree = read_tree(str(changed((DEVICE, "static bool beeper_has", made + "static bool beeper_has"))))
        assert [finding.rule for finding in list_defects(Linked(tree))] == expected


LISTED = """static Property beeper_properties[] = { { .name = "pitch" } };
static Property bell_properties[] = { { .name = "loud" } };
static void bell_class_init(ObjectClass *klass, const void *data)
{
    device_class_set_props(DEVICE_CLASS(klass), bell_properties);
}
static const TypeInfo bell_info = { .name = "bell", .parent = TYPE_BEEPER, .class_init = bell_class_init };
static const TypeInfo gong_info = { .name = "gong-device", .parent = "isa-device" };
static const X86CPUDefinition models[] = { { .name = "Model", .level = 4 } };
static bool beeper_has"""
SET_PROPERTIES = (DEVICE, "    dc->vmsd = &vmstate_beeper;\n",
                  "    dc->vmsd = &vmstate_beeper;\n    device_class_set_props(dc, beeper_properties);\n")  # fmt: skip


@pytest.mark.parametrize(
    ("driver", "name", "rules"),
    [
        ("beeper", "pitch", []),
        ("beeper", "loud", ["compat-unknown"]),
        ("bell", "loud", []),
        ("bell", "pitch", []),
        ("beeper", "elsewhere", ["compat-unknown"]),
        ("gong", "loud", ["compat-unknown"]),
        ("nothing", "loud", []),
        ("Model-x86_64-cpu", "loud", []),
        ("Modelx86_64-cpu", "loud", ["compat-unknown"]),
    ],
)
def test_an_entry_is_for_what_is_there(changed: Changed, driver: str, name: str, rules: list[str]) -> None:
    sides = []
    for entry in ("", f'{{ "{driver}", "{name}", "off" }}, '):
        text = LISTED.replace("static bool", COMPAT.replace('{ "x", "z"', entry + '{ "x", "z"') + "static bool")
        tree = changed((DEVICE, "static bool beeper_has", text), SET_PROPERTIES)
        sides.append(Linked(read_tree(str(tree))))
    assert [finding.rule for finding in list_changes(*sides)] == rules
    twice = COMPAT.replace('{ "x", "z", "on" }', '{ "x", "z", "on" }, { "x", "z", "off" }')
    tree = changed((DEVICE, "static bool beeper_has", twice + "static bool beeper_has"))
    assert [finding.rule for finding in list_defects(Linked(read_tree(str(tree))))] == ["compat-twice"]


def test_a_tree_is_a_side_of_a_comparison(changed: Changed) -> None:
    assert compat(str(BEEPER), str(BEEPER)).findings == []
    tree = changed((DEVICE, MODE, ""), (HEADER, "4 << 1", "4 << 2"))
    found_rules = {(finding.rule, finding.path) for finding in compat(str(BEEPER), str(tree)).findings}
    assert found_rules == {("field-missing", "mode"), ("field-count", "regs/envelope")}


@pytest.mark.parametrize("form", ["text", "json", "sarif", "tap", "junit"])
def test_the_verb(changed: Changed, form: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tree = changed((DEVICE, "BeeperState, 2)", "BeeperState, 3)"))
    command = ["source", "lint", str(tree), "--no-cache", "--format", form]
    assert main(command) == 1
    text = capsys.readouterr().out
    message = "'volume' is from version 3 on, and the description has version 2"
    if form == "text":
        line = f"{DEVICE}:50: defect: beeper: {message} [never-sent]"
        assert text.splitlines() == [line, "0 breaks, 1 defect, 0 backward, 0 ask"]
    elif form == "json":
        (finding,) = json.loads(text)["findings"]
        assert (finding["id"], finding["line"]) == ("never-sent:vmstate_beeper:beeper:volume", 50)
        baseline = tmp_path / "baseline.json"
        accepted = [{"id": finding["id"], "reason": "known"}]
        baseline.write_text(json.dumps({"vmstate-baseline": 1, "accepted": accepted}), encoding="utf-8")
        assert main([*command, "--baseline", str(baseline)]) == 0
        assert main([*command, "--write-baseline", str(baseline), "--reason", "meant"]) == 0
        assert json.loads(baseline.read_text(encoding="utf-8"))["accepted"][0]["reason"] == "meant"
    elif form == "tap":
        (failed,) = (line for line in text.splitlines() if line.startswith("not ok"))
        assert failed.startswith("not ok 1 - never-sent ")
        assert f"1..{len(RULES)}\n" in text
    elif form == "junit":
        assert f'tests="{len(RULES)}" failures="1"' in text
    else:
        (result,) = json.loads(text)["runs"][0]["results"]
        assert (result["ruleId"], result["level"]) == ("never-sent", "error")


def test_a_series_and_what_is_not_promised(
    changed: Changed, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = changed((DEVICE, "}", "}"))
    for path, text in {
        "hw/i386/pc.c": "DEFINE_PC_MACHINE(10, 0)\n",
        "hw/i386/Kconfig": "config PC\n    bool\n    select BEEPER\n",
        "hw/i386/meson.build": "ss.add(when: 'CONFIG_PC', if_true: files('pc.c'))\n",
        "hw/audio/meson.build": "ss.add(when: 'CONFIG_BEEPER', if_true: files('beeper.c'))\n",
    }.items():
        (before / path).parent.mkdir(exist_ok=True)
        (before / path).write_text(text, encoding="utf-8")
    series = tmp_path / "series.patch"
    hunk = "@@ -46,3 +46,2 @@\n     .fields = (const VMStateField[]) {\n-        VMSTATE_UINT8(mode, BeeperState),\n"
    rest = "         VMSTATE_STRUCT(regs, BeeperState, 0, vmstate_beeper_regs, BeeperRegs),\n"
    series.write_text(f"--- a/{DEVICE}\n+++ b/{DEVICE}\n{hunk}{rest}", encoding="utf-8")
    command = ["source", "lint", str(before), "--no-cache", "--series", str(series)]
    assert main(command) == 1
    assert ": breaks: beeper: 'mode' was sent" in capsys.readouterr().out
    assert main([*command, "--both"]) == 1
    assert ": breaks (reverse): beeper: 'mode' is read, and was not sent" in capsys.readouterr().out
    (before / "hw/i386/Kconfig").write_text("config PC\n    bool\nconfig BEEPER\n    bool\n", encoding="utf-8")
    assert main(command) == 0
    assert ": unpromised: beeper: 'mode' was sent" in capsys.readouterr().out


def test_a_range_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["source", "lint", str(BEEPER), "HEAD"]) == 2
    assert "expected A..B" in capsys.readouterr().err


def test_every_rule_is_in_the_documents() -> None:
    text = (BEEPER.parents[2] / "docs" / "source.md").read_text(encoding="utf-8")
    for rule, (severity, what) in RULES.items():
        assert f"\n| {rule} | {severity}" in text, rule
        assert what.partition(":")[0] in text, rule


def test_what_is_always_sent_by_a_board_without_a_promise(changed: Changed) -> None:
    """It fails in an older release alone, which such a board does not promise to be loaded by."""
    subsections = "        &vmstate_beeper_echo,\n"
    after = read_tree(str(changed(NEW_SUB, (DEVICE, subsections, subsections + "        &vmstate_beeper_new,\n"))))
    findings = list(changes(Linked(read_tree(str(BEEPER))), Linked(after)))
    assert [(each.rule, each.severity) for each in with_promises(findings, frozenset((DEVICE,)))] == [
        ("subsection-always", "defect")
    ]
    assert [each.severity for each in with_promises(findings, frozenset())] == ["unpromised"]

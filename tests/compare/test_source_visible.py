"""What a change lets a guest see is told, where older machine types do not get what they had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmstate.compare.source_lint import LintFinding
from vmstate.compare.source_visible import visible_changes
from vmstate.source.linking import Linked
from vmstate.source.reading import SourceTree, read_tree

HEADER = "typedef struct VMStateDescription VMStateDescription;\n"
MACROS = """
#define DEFINE_PROP_UINT32(n, s, f, d) { .name = (n), .info = &(qdev_prop_uint32), .offset = offsetof(s, f) + 0, \\
    .set_default = true, .defval.u = (uint32_t)d, }
#define DEFINE_PROP_BIT(n, s, f, b, d) { .name = (n), .info = &(qdev_prop_bit), .offset = offsetof(s, f), \\
    .bitnr = (b), .set_default = true, .defval.u = (bool)d }
#define DEFINE_BOTH(s, f) DEFINE_PROP_BIT("first", s, f, 1, true), DEFINE_PROP_BIT("second", s, f, 2, false)
"""
DEVICE = """
static const Property x_properties[] = {
    DEFINE_PROP_UINT32("size", X, conf.size, 4 << 1),
    DEFINE_BOTH(X, host_features),
    DEFINE_PROP_BIT("more", X, kind, 3, true)
};
static void x_realize(PCIDevice *dev, Error **errp)
{
    uint8_t *wmask = dev->wmask;
    if (dev->is_express) {
        pcie_endpoint_cap_init(dev, 0xa0);
    }
    pci_set_word(dev->wmask + PCI_COMMAND, 0x0f << 4);
    pci_register_bar(dev, 4, 0, &s->bar);
}
static void x_class_init(ObjectClass *klass, const void *data)
{
    device_class_set_props(dc, x_properties);
}
static const TypeInfo x_info = { .name = "x", .parent = "pci-device", .class_init = x_class_init };
static const TypeInfo y_info = { .name = "y", .parent = "x" };
"""
MACHINE = """
GlobalProperty hw_compat_9_1[] = { { "x", "a", "on" } };
GlobalProperty hw_compat_9_2[] = { { "y", "size", "1" } };
static void board_class_init(ObjectClass *oc, const void *data)
{
    MachineClass *mc = MACHINE_CLASS(oc);
    mc->desc = "board";
    mc->keeps_time = true;
    mc->max_cpus = 8;
}
static void board_9_2_options(MachineClass *mc)
{
    mc->old_irq = true;
}
"""
CPU = """
#define VME (1U << 1)
static const X86CPUDefinition builtin_x86_defs[] = {
    { .name = "First", .level = 4, .features[FEAT_1_EDX] = VME | 1,
      .versions = (X86CPUVersionDefinition[]) {
        { .version = 1 },
        { .version = 2, .props = (PropValue[]) { { "pdcm", "on" }, { } } },
        { }
      } },
    { .name = "Second", .features[FEAT_1_EDX] = VME },
};
"""
FILES = {
    "include/migration/vmstate.h": HEADER,
    "hw/pci/x.c": MACROS + DEVICE,
    "hw/i386/board.c": MACHINE + "static const TypeInfo b = { .name = \"b\" };\n",
    "target/i386/cpu.c": CPU + "static const TypeInfo c = { .name = \"c\" };\n",
}  # fmt: skip

Read = Callable[..., SourceTree]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a tree of the files with pieces replaced."""

    def read(*changes: tuple[str, str]) -> SourceTree:
        files = dict(FILES)
        for before, after in changes:
            (path,) = (path for path, text in files.items() if before in text)
            files[path] = files[path].replace(before, after, 1)
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        return read_tree(str(folder))

    return read


def test_what_is_read(read: Read) -> None:
    tree = read()
    assert tree.problems == ()
    rows = [row for unit in tree.units for row in unit.visible]
    properties = {row.name: (row.value, row.info, row.member, row.bit) for row in rows if row.kind == "property"}
    assert properties == {
        "size": ("8", "qdev_prop_uint32", "conf.size", None),
        "first": ("1", "qdev_prop_bit", "host_features", 1),
        "second": ("0", "qdev_prop_bit", "host_features", 2),
        "more": ("1", "qdev_prop_bit", "kind", 3),
    }
    told = {kind: [(row.owner, row.name, row.value) for row in rows if row.kind == kind] for kind in ("machine", "pci")}
    assert told["machine"] == [("board_class_init", "keeps_time", "1"), ("board_9_2_options", "old_irq", "1")]
    assert told["pci"] == [
        ("x_realize", "pcie_endpoint_cap_init", "0xa0?"),
        ("x_realize", "wmask[*+0x0]", "0xf0"),
        ("x_realize", "pci_register_bar", "0x4, 0x0, *"),
    ]
    models = [(row.owner, row.name, row.value) for row in rows if row.kind == "cpu"]
    assert models == [
        ("First", "level", "4"),
        ("First", "features[FEAT_1_EDX]", "0x3"),
        ("First", "v2.pdcm", "on"),
        ("Second", "features[FEAT_1_EDX]", "0x2"),
    ]


ENTRY = ('{ "y", "size", "1" }', '{ "y", "size", "1" }, { "x", "size", "8" }')
OF_Y = (
    'static const TypeInfo y_info = { .name = "y", .parent = "x" };',
    """static const Property y_properties[] = { DEFINE_PROP_BIT("own", X, host_features, 5, true) };
static void y_class_init(ObjectClass *klass, const void *data)
{
    device_class_set_props(dc, y_properties);
}
static const TypeInfo y_info = { .name = "y", .parent = "x", .class_init = y_class_init };""",
)
ADDED = 'object_class_property_add_bool(klass, "size", NULL, NULL);\n'
OPTIONS = ("mc->old_irq = true;", "mc->old_irq = true; mc->keeps_time = true;")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], []),
        ([("4 << 1", "4 << 2")], [("property-default", "breaks", "size")]),
        ([("4 << 1", "4 << 2"), ENTRY], []),
        ([("4 << 1", "4 << 2"), (ENTRY[0], ENTRY[1].replace('"8"', '"9"'))], [("property-default", "breaks", "size")]),
        ([("s, f, 1, true", "s, f, 1, false")], [("property-default", "breaks", "first")]),
        ([('"second", s, f, 2, false)', '"second", s, f, 2, false), DEFINE_PROP_BIT("third", s, f, 4, true)')],
         [("property-new", "breaks", "third")]),
        ([('DEFINE_PROP_BIT("more"', 'DEFINE_PROP_BIT("less", X, kind, 9, true), DEFINE_PROP_BIT("more"')],
         [("property-new", "ask", "less")]),
        ([('DEFINE_PROP_BIT("more"', 'DEFINE_PROP_UINT32("vectors", X, n, 2), DEFINE_PROP_BIT("more"')],
         [("property-new", "ask", "vectors")]),
        ([('DEFINE_PROP_BIT("more"', 'DEFINE_PROP_UINT32("vectors", X, n, 2), DEFINE_PROP_BIT("more"'),
          (ENTRY[0], ENTRY[1].replace('"size", "8"', '"vectors", "0"'))], []),
        # An array of a device that had none; a device that is new with its array.
        ([OF_Y], [("property-new", "breaks", "own")]),
        ([OF_Y, ('.name = "y"', '.name = "z"')], []),
        # All bits set is no value.
        ([("conf.size, 4 << 1", "conf.size, -1")], [("property-default", "breaks", "size")]),
        ([(',\n    DEFINE_PROP_BIT("more", X, kind, 3, true)', "")], [("property-removed", "ask", "more")]),
        ([('DEFINE_PROP_UINT32("size", X, conf.size, 4 << 1),', "")], [("property-removed", "breaks", "size")]),
        ([('DEFINE_PROP_UINT32("size", X, conf.size, 4 << 1),', ""),
          ("device_class_set_props", ADDED + "device_class_set_props")], []),
        ([("mc->keeps_time = true;", "")], [("machine-field", "breaks", "keeps_time")]),
        ([("mc->keeps_time = true;", ""), OPTIONS], []),
        ([("mc->keeps_time", "mc->is_new = true;\nmc->keeps_time")], [("machine-field", "ask", "is_new")]),
        ([("mc->max_cpus = 8", "mc->max_cpus = 16")], []),
        ([("VME | 1", "VME | 8")], [("cpu-feature", "breaks", "features[FEAT_1_EDX]")]),
        ([("VME | 1", "VME | 8"), (ENTRY[0], ENTRY[0] + ', { "First-x86_64-cpu", "x", "on" }')], []),
        ([('{ "pdcm", "on" }', '{ "pdcm", "on" }, { "vmx", "on" }')], [("cpu-feature", "breaks", "v2.vmx")]),
        ([("{ } } },\n", '{ } } }, { .version = 3, .props = (PropValue[]) { { "vmx", "on" }, { } } },\n')], []),
        ([("dev, 4, 0, &s->bar", "dev, 0, 0, &s->bar")], [("pci-space", "ask", "pci_register_bar")]),
        ([("if (dev->is_express) {", "{")], [("pci-space", "ask", "pcie_endpoint_cap_init")]),
        ([("0x0f << 4", "240")], []),
    ],
)  # fmt: skip
def test_what_a_guest_sees(read: Read, changes: list[tuple[str, str]], expected: list[tuple[str, str, str]]) -> None:
    findings = visible_changes(Linked(read()), Linked(read(*changes)))
    assert [(finding.rule, finding.severity, finding.field) for finding in findings] == expected
    assert all(isinstance(finding, LintFinding) and finding.line for finding in findings)


def test_a_default_of_all_bits_is_no_value(read: Read) -> None:
    unset = ("conf.size, 4 << 1", "conf.size, -1")
    (finding,) = visible_changes(Linked(read(unset)), Linked(read()))
    assert (finding.rule, finding.severity, finding.field) == ("property-default", "ask", "size")


PROXY = """static const VirtioPCIDeviceTypeInfo proxy_info = {
    .base_name = "proxy-base", .generic_name = "proxy", .transitional_name = "proxy-transitional",
    .class_init = x_class_init,
};
static const TypeInfo x_info"""


@pytest.mark.parametrize(
    ("drivers", "told"),
    [
        (["x"], "proxy, proxy-transitional"),
        (["x", "proxy"], "proxy-transitional"),
        (["x", "proxy-base"], None),
        # One that is not known here may stand for all.
        (["proxy-ccw"], None),
    ],
)
def test_an_entry_for_some_of_the_devices_with_a_property(read: Read, drivers: list[str], told: str | None) -> None:
    """Classes that an entry is not for have the new default; one for a class is for all below it."""
    entries = ", ".join(f'{{ "{driver}", "size", "8" }}' for driver in drivers)
    proxy = ("static const TypeInfo x_info", PROXY)
    before = read(proxy)
    after = read(proxy, ("4 << 1", "4 << 2"), ('{ "y", "size", "1" }', f'{{ "y", "size", "1" }}, {entries}'))
    findings = visible_changes(Linked(before), Linked(after))
    assert [each.rule for each in findings] == ([] if told is None else ["property-default"])
    assert told is None or findings[0].message.endswith(f"sets what it was for {told}")


LISTS = """
#define OLD_COMPAT_2_11 { .driver = "x", .property = "more", .value = "off", },
#define OLD_COMPAT_2_10 OLD_COMPAT_2_11 \\
    { .driver = "x", .property = "a", .value = "on", }, OTHER
#define OTHER { .driver = "y", .property = "b", .value = "0x10", },
static void x_class_init("""


def test_lists_that_are_macros(read: Read) -> None:
    """Each has its own entries, and not those of the list in it; what is in no list of a release is none."""
    lists = LISTS.replace(
        "static void", "void board(void)\n{\n    SET_MACHINE_COMPAT(m, OLD_COMPAT_2_10);\n}\nstatic void"
    )
    before = read(("static void x_class_init(", lists))
    entries = [
        (entry.list, entry.driver, entry.property, entry.value) for unit in before.units for entry in unit.compat
    ]
    assert sorted(entry for entry in entries if entry[0].startswith("old")) == [
        ("old_compat_2_10", "x", "a", "on"),
        ("old_compat_2_10", "y", "b", "0x10"),
        ("old_compat_2_11", "x", "more", "off"),
    ]
    assert before.problems == ()
    more = '.value = "off", }, { .driver = "x", .property = "size", .value = "8", },'
    after = read(("static void x_class_init(", lists.replace('.value = "off", },', more)), ("4 << 1", "4 << 2"))
    assert visible_changes(Linked(before), Linked(after)) == []

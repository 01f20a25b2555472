"""What a machine type with a version can have is promised; what only other boards have is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmstate.errors import VMStateError
from vmstate.source.promises import files_of_machine, promised_files
from vmstate.source.tree import open_tree

FILES = {
    "include/migration/vmstate.h": "",
    "hw/arm/virt.c": '#define DEFINE_VIRT_MACHINE(a, b) X("virt-" a, b)\nDEFINE_VIRT_MACHINE(10, 0)\n',
    "hw/arm/board.c": 'DEFINE_MACHINE("board", board_machine_init)\n',
    "hw/arm/Kconfig": "config ARM_VIRT\n    bool\n    default y\n    depends on TCG || KVM\n    select UART\n"
    "    imply PCI_DEVICES\n\nconfig BOARD\n    bool\n    default y\n    depends on TCG && ARM\n"
    "    select BOARD_UART\n",
    "hw/arm/meson.build": "arm_ss.add(when: 'CONFIG_ARM_VIRT', if_true: files('virt.c'))\n"
    "arm_ss.add(when: 'CONFIG_BOARD', if_true: files('board.c'))\n",
    "hw/mips/meson.build": "mips_ss.add(files('any.c'))\n",
    "hw/mips/any.c": "",
    "hw/Kconfig": "source arm/Kconfig\nsource char/Kconfig\n",
    "hw/char/Kconfig": "config UART\n    bool\nconfig BOARD_UART\n    bool\nconfig CARD\n    bool\n"
    "    default y if PCI_DEVICES\n    depends on PCI\nconfig PCI_DEVICES\n    bool\n    select PCI\n"
    "config OTHER\n    bool\n    default y if !X || NOBODY\n",
    # What is there wherever its CPU is: with what it brings, a board, and without, a device of the machine's CPU.
    "hw/arm/own/Kconfig": "config ARM_OWN\n    bool\n    default y\n    depends on KVM && (ARM || AARCH64)\n"
    "config MIPS_OWN\n    bool\n    default y\n    depends on MIPS\n",
    "hw/arm/own/meson.build": "arm_ss.add(when: 'CONFIG_ARM_OWN', if_true: files('own.c'))\n"
    "arm_ss.add(when: 'CONFIG_MIPS_OWN', if_true: files('not.c'))\n",
    "hw/arm/own/own.c": "",
    "hw/arm/own/not.c": "",
    "hw/char/meson.build": "ss.add(when: 'CONFIG_UART', if_true: files('uart.c'))\n"
    "ss.add(when: 'CONFIG_BOARD_UART', if_true: files('board_uart.c', 'both.c'))\n"
    "ss.add(when: ['CONFIG_CARD', 'CONFIG_KVM'], if_true: files('card.c', 'both.c'))\n"
    "ss.add(files('core.c'))\n",
    **{f"hw/char/{name}.c": "" for name in ("uart", "board_uart", "card", "both", "core")},
    "target/arm/cpu.c": "",
    "target/mips/cpu.c": "",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    return tmp_path


def test_what_is_promised(tree: Path) -> None:
    promised = promised_files(open_tree(str(tree)))
    assert promised is not None
    names = ("uart.c", "card.c", "both.c", "core.c")
    own = {"hw/arm/virt.c", "hw/arm/own/own.c", "target/arm/cpu.c"}
    assert promised == {*own, *(f"hw/char/{name}" for name in names)}


@pytest.mark.parametrize("gone", ["hw/arm/virt.c", "hw/arm/meson.build", "hw/arm/Kconfig"])
def test_a_tree_that_does_not_tell(tree: Path, gone: str) -> None:
    for path in FILES:
        if path == gone or path.rpartition("/")[2] == gone.rpartition("/")[2]:
            (tree / path).unlink()
    assert promised_files(open_tree(str(tree))) is None


def test_a_machine_type_of_a_tree(tree: Path) -> None:
    """By its board, which is the file that has its name; one without a version is any."""
    opened = open_tree(str(tree))
    assert files_of_machine(opened, "virt-10.0") == promised_files(opened)
    assert files_of_machine(opened, "virt") is None


@pytest.mark.parametrize(
    ("machine", "expected"),
    [("virt-10.1", "virt-10.0 or older"), ("virt-10", "virt-10.0 or older"), ("vir-10.0", None)],
)
def test_a_machine_type_that_a_tree_has_not(tree: Path, machine: str, expected: str | None) -> None:
    with pytest.raises(VMStateError, match="no such machine type") as raised:
        files_of_machine(open_tree(str(tree)), machine)
    assert (raised.value.expected, raised.value.found) == (expected, machine)


def test_what_the_host_decides(tree: Path) -> None:
    """What neither `hw` defines nor a CPU is called, and what the host's Kconfig selects."""
    (tree / "Kconfig.host").write_text("config LINUX\n    bool\n    select OTHER_UART\n", encoding="utf-8")
    with (tree / "hw/char/Kconfig").open("a", encoding="utf-8") as file:
        file.write("config OTHER_UART\n    bool\n")
    with (tree / "hw/char/meson.build").open("a", encoding="utf-8") as file:
        file.write("ss.add(when: 'CONFIG_OTHER_UART', if_true: files('other.c'))\n")
        file.write("ss.add(when: 'CONFIG_MIPS', if_true: files('mips.c'))\n")
        file.write("ss.add(when: 'CONFIG_ANYTHING', if_true: files('any.c'))\n")
    for name in ("other", "mips", "any"):
        (tree / f"hw/char/{name}.c").touch()
    promised = promised_files(open_tree(str(tree)))
    assert promised is not None
    assert {name for name in ("other", "mips", "any") if f"hw/char/{name}.c" in promised} == {"other", "any"}

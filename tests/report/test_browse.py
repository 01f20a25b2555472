"""The browser in the terminal, driven as somebody at the keyboard would."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from handmade import scalar, stream_with, structure, vmdesc_text
from loading import loaded_state
from recorded import FIXTURES

import vmstate

pytest.importorskip("textual", reason="needs Textual: pip install textual")

from vmstate.lab.incoming import load_into_qemu
from vmstate.qemu.capture import capture_started
from vmstate.report import browse
from vmstate.report.browse import MOST_NODES, Browser, Run, hex_text
from vmstate.report.job import BrokenOffError, Job
from vmstate.report.tree import Row, rows_of

NET = FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz"
SECTION = "0000:00:01.0/virtio-net"


def browsed(
    use: Callable[[Browser, Any], Awaitable[None]], path: Path | bytes = NET, size: tuple[int, int] = (80, 24)
) -> None:
    async def run() -> None:
        with vmstate.load(path) as stream:
            browser = Browser(stream)
            async with browser.run_test(size=size) as pilot:
                await pilot.pause()
                await use(browser, pilot)

    asyncio.run(run())


async def typed(pilot: Any, key: str, text: str) -> None:
    await pilot.press(key)
    await pilot.pause()
    pilot.app.query_one("#asked").value = text
    await pilot.press("enter")
    await done(pilot)


async def done(pilot: Any) -> None:
    """Wait for what a thread does, and for what is shown of it."""
    await pilot.pause()
    while pilot.app.working:
        await asyncio.sleep(0.01)
    await pilot.pause()
    await pilot.pause()


def told(browser: Browser) -> str:
    return str(browser.query_one("#told").render())


def held(browser: Browser) -> bytes:
    """The bytes on the right."""
    lines = str(browser.query_one("#bytes").render()).splitlines()
    return b"".join(bytes.fromhex(line[9:33]) for line in lines)


def cursor(browser: Browser) -> Any:
    assert browser.fields.cursor_node is not None
    return browser.fields.cursor_node.data


@pytest.mark.slow
def test_a_field_is_found_and_its_bytes_are_shown() -> None:
    async def use(browser: Browser, pilot: Any) -> None:
        await typed(pilot, "slash", "52:54:00:12:34:56")
        row = cursor(browser)
        entry = browser.stream[SECTION].trace()["virtio.net.mac"]
        places = []
        while row.path not in places:
            places.append(row.path)
            assert row.offset <= entry.offset + (1 << 20)
            await pilot.press("n")
            await done(pilot)
            row = cursor(browser)
        assert "virtio.net.mac" in places
        await typed(pilot, "g", hex(entry.offset))
        assert cursor(browser).path == "virtio.net.mac" and bytes.fromhex("525400123456") in held(browser)
        assert f"{entry.offset:#x} 6 B" in told(browser)

    browsed(use)


@pytest.mark.slow
def test_what_is_nowhere_or_nonsense_is_one_line() -> None:
    async def use(browser: Browser, pilot: Any) -> None:
        for key, text, words in [
            ("slash", "MAC_ADDR_OF_NOBODY", "is nowhere"),
            ("g", "0xffffffff", "no section has offset"),
            ("g", "here", "that is no offset"),
            ("d", "/no/such/file", "/no/such/file"),
            ("s", str(NET), "is there already"),
        ]:
            await typed(pilot, key, text)
            assert words in told(browser), text
        await pilot.press("n")
        await pilot.press("e")
        await pilot.pause()
        assert "put the cursor on a field" in told(browser)

    browsed(use)


@pytest.mark.slow
def test_a_value_is_changed_and_saved(tmp_path: Path) -> None:
    copy = tmp_path / "changed.mig"

    async def use(browser: Browser, pilot: Any) -> None:
        entry = browser.stream[SECTION].trace()["virtio.net.mac"]
        await typed(pilot, "g", hex(entry.offset))
        await typed(pilot, "e", "52:54:00:00:00:01")
        assert "is 52:54:00:00:00:01 now" in told(browser) and bytes.fromhex("525400000001") in held(browser)
        # The section is not lost behind its new rows, and the cursor is where it was.
        assert cursor(browser).path == "virtio.net.mac"
        await typed(pilot, "s", str(copy))
        assert "saved as" in told(browser)

    browsed(use)
    difference = vmstate.diff(NET, copy)
    assert [change.path for change in difference.changes] == ["virtio.net.mac"]


COLD = (
    "qemu-system-x86_64 -M q35 -accel tcg -display none -nodefaults -vga none -m 16"
    " -netdev user,id=n0 -device virtio-net-pci,netdev=n0"
)
"""A machine whose guest has never run, so that its stream loads without memory of the guest."""


@pytest.mark.qemu
@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="needs QEMU: install qemu-system-x86")
def test_what_was_edited_and_saved_loads_in_qemu_and_is_there(tmp_path: Path) -> None:
    machine = COLD.split()
    cold, changed = tmp_path / "cold.mig", tmp_path / "changed.mig"
    capture_started(cold, machine)

    async def use(browser: Browser, pilot: Any) -> None:
        for section, path, value in (
            (SECTION, "virtio.net.mac", "52:54:00:00:00:01"),
            (SECTION, "virtio.net.promisc", "0"),
            ("hpet", "config", "0"),
        ):
            entry = browser.stream[section].trace()[path]
            await typed(pilot, "g", hex(entry.offset))
            assert cursor(browser).path == path
            await typed(pilot, "e", value)
            assert f"is {value} now" in told(browser)
        await typed(pilot, "s", str(changed))

    browsed(use, cold)
    assert load_into_qemu(changed, machine).accepted
    # QEMU has the values, not only no complaint.
    with vmstate.load(cold) as before, vmstate.load(changed) as after:
        loaded = loaded_state([*machine, "-S"], None, changed.read_bytes())
        assert loaded[SECTION, 0] == after[SECTION].payload() != before[SECTION].payload()


@pytest.mark.slow
def test_what_qemu_would_refuse_is_not_taken() -> None:
    async def use(browser: Browser, pilot: Any) -> None:
        entry = browser.stream[SECTION].trace()["virtio.num_queues"]
        await typed(pilot, "g", hex(entry.offset))
        before = browser.stream.to_bytes()
        await typed(pilot, "e", "7000")
        assert "is 7000 now" not in told(browser)
        assert browser.stream.to_bytes() == before

    browsed(use)


@pytest.mark.slow
def test_changes_are_gone_through() -> None:
    async def use(browser: Browser, pilot: Any) -> None:
        await typed(pilot, "d", str(FIXTURES / "pairs/qemu-7.2-vlan-add-early.mig.xz"))
        paths = [cursor(browser).path]
        for _ in range(2):
            await pilot.press("n")
            await done(pilot)
            paths.append(cursor(browser).path)
        assert "virtio.net.vlans" in paths and "virtio.net.in_use" in paths

    browsed(use, FIXTURES / "pairs/qemu-7.2-vlan-add-final.mig.xz")


@pytest.mark.slow
def test_every_section_opens() -> None:
    async def use(browser: Browser, pilot: Any) -> None:
        for node in browser.fields.root.children:
            node.expand()
        await done(pilot)
        opened = [node for node in browser.fields.root.children if node.children]
        assert len(opened) > 30
        rows = [node.data for node in opened[0].children]
        assert all(isinstance(row, Row) for row in rows)
        await pilot.press("end")
        await pilot.pause()

    browsed(use)


def nodes_below(node: Any) -> int:
    return sum(1 + nodes_below(child) for child in node.children)


@pytest.mark.slow
def test_of_very_many_sections_few_nodes_are_made() -> None:
    count = 20_000
    body = b"".join(
        struct.pack(">BIB3sII", 4, number, 3, b"dev", number, 1) + b"\5" + struct.pack(">BI", 0x7E, number)
        for number in range(count)
    )

    async def use(browser: Browser, pilot: Any) -> None:
        root = browser.fields.root
        assert nodes_below(root) <= MOST_NODES
        # What is looked for is reached through the runs that it is in, and nothing else is made.
        section = browser.stream.sections[14_444]
        await typed(pilot, "g", hex(section.offset + 18))
        assert cursor(browser) is section and f"dev#{section.instance_id}" in told(browser)
        assert nodes_below(root) <= 2 * MOST_NODES
        await pilot.press("down")
        await pilot.pause()
        assert cursor(browser) is browser.stream.sections[14_445]
        run = next(node for node in root.children if not node.children)
        before = nodes_below(root)
        browser.fields.move_cursor(run)
        await pilot.press("enter")
        await pilot.pause()
        assert nodes_below(root) - before == len(run.children) == len(run.data.held) <= MOST_NODES

    browsed(use, b"QEVM\0\0\0\3" + body + b"\0")


@pytest.mark.slow
def test_of_very_many_fields_few_nodes_are_made() -> None:
    async def use(browser: Browser, pilot: Any) -> None:
        root = browser.fields.root
        assert nodes_below(root) == 1
        section = browser.stream.sections[0]
        await typed(pilot, "g", hex(section.payload_offset + 8 * 3_345 + 4))
        assert cursor(browser).path == "arr[3345].b" and cursor(browser).value.startswith("3346 ")
        assert nodes_below(root) <= 2 * MOST_NODES
        await typed(pilot, "e", "77")
        assert cursor(browser).path == "arr[3345].b" and cursor(browser).value.startswith("77 ")
        assert nodes_below(root) <= 2 * MOST_NODES
        run = browser.fields.cursor_node.parent.parent
        assert isinstance(run.data, Run)
        browser.fields.move_cursor(run)
        await pilot.pause()
        assert f"{len(run.data.held) * 8:,} B  {len(run.data.held):,} in a row" in told(browser)

    browsed(use, many_fields(5_000))


def many_fields(count: int) -> bytes:
    element = (
        "{" + f'"name": "arr", "array_len": {count}, ' + structure("arr", [scalar("a", 4), scalar("b", 4)], 8)[16:]
    )
    return stream_with(vmdesc_text(element), b"".join(struct.pack(">II", n, n + 1) for n in range(count)))


@pytest.mark.slow
def test_while_a_large_section_is_read_keys_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def waits(*arguments: Any) -> list[Row]:
        assert go_on.wait(60)
        return rows_of(*arguments)

    monkeypatch.setattr(browse, "rows_of", waits)

    async def use(browser: Browser, pilot: Any) -> None:
        section = browser.stream.sections[0]
        await pilot.press("g")
        pilot.app.query_one("#asked").value = hex(section.payload_offset + 8 * 2_000)
        await pilot.press("enter")
        await pilot.pause()
        assert browser.working == "reading dev" and told(browser) == "reading dev ..."
        await pilot.press("n")
        await pilot.pause()
        assert told(browser) == "still reading dev"
        go_on.set()
        await done(pilot)
        assert cursor(browser).path == "arr[2000].a"

    browsed(use, many_fields(3_000))


async def begun(pilot: Any, key: str, text: str) -> None:
    """As `typed`, but what it starts goes on."""
    await pilot.press(key)
    await pilot.pause()
    pilot.app.query_one("#asked").value = text
    await pilot.press("enter")
    await pilot.pause()
    assert pilot.app.working


def endless_reading() -> tuple[Callable[..., list[Row]], threading.Event]:
    """In the place of `rows_of`, something that does not come to an end by itself; and whether it was ended."""
    ended = threading.Event()

    def forever(*arguments: Any) -> list[Row]:
        try:
            while True:
                time.sleep(0.001)
        finally:
            ended.set()

    return forever, ended


@pytest.mark.slow
def test_what_takes_long_can_be_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "UNTOLD", 0.2)
    forever, ended = endless_reading()

    async def use(browser: Browser, pilot: Any) -> None:
        offset = hex(browser.stream.sections[0].payload_offset + 8 * 2_000)
        with monkeypatch.context() as patched:
            patched.setattr(browse, "rows_of", forever)
            await begun(pilot, "g", offset)
            while "escape breaks it off" not in told(browser):
                await asyncio.sleep(0.01)
            assert re.match(r"reading dev \.\.\. \d+ s, ", told(browser))
            await pilot.press("escape")
            await done(pilot)
            assert ended.is_set() and told(browser) == "broken off: reading dev"
            # What was to be opened is closed again, and opens when it is asked for once more.
            node = browser.fields.root.children[0]
            browser.fields.move_cursor(node)
            await pilot.press("enter")
            await pilot.pause()
            assert browser.working and node.is_expanded
            await pilot.press("escape")
            await done(pilot)
            assert not node.is_expanded
            # A search that is asked for instead, and what it leads to.
            await begun(pilot, "g", offset)
            await begun(pilot, "slash", "dev")
            await asyncio.sleep(0.05)
            await pilot.press("escape")
            await done(pilot)
        await typed(pilot, "g", offset)
        assert cursor(browser).path == "arr[2000].a"

    browsed(use, many_fields(3_000))


@pytest.mark.slow
def test_a_search_in_a_large_section_is_broken_off() -> None:
    async def use(browser: Browser, pilot: Any) -> None:
        # Not by keys: the pilot waits up to a second for the thread with each of them.
        browser.find_word("nobody_is_called_so")
        await asyncio.sleep(0.05)
        browser.action_leave()
        await done(pilot)
        assert told(browser) == "broken off: looking for 'nobody_is_called_so'"
        # The stream is as it was: what is looked for afterwards is found, and as far as the end.
        await typed(pilot, "slash", "17777")
        assert cursor(browser).value.startswith("17777 ")

    browsed(use, many_fields(20_000))


@pytest.mark.slow
def test_nobody_waits_to_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without breaking off the thread it would be waited for, and never end."""
    forever, ended = endless_reading()

    monkeypatch.setattr(browse, "rows_of", forever)

    async def use(browser: Browser, pilot: Any) -> None:
        await begun(pilot, "g", hex(browser.stream.sections[0].payload_offset))
        await pilot.press("q")

    browsed(use, many_fields(3_000))
    assert ended.wait(10)


def test_a_job_is_broken_off_once_and_never_behind_its_end() -> None:
    waits = Job(lambda: time.sleep(0))
    waits.break_off()
    with pytest.raises(BrokenOffError):
        waits.run()
    ended = Job(lambda: 5)
    assert ended.run() == 5
    ended.break_off()

    def breaks_itself_off(outcome: Callable[[], int]) -> int:
        job.break_off()
        job.break_off()
        return outcome()

    for outcome in (lambda: 5, lambda: int("five")):
        job = Job(partial(breaks_itself_off, outcome))
        with pytest.raises(BrokenOffError):
            job.run()
    # Nothing is left of it in the thread.
    for _ in range(1_000):
        time.sleep(0)


@pytest.mark.slow
def test_what_has_too_many_fields_is_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "MOST_FIELDS", 5_999)

    async def use(browser: Browser, pilot: Any) -> None:
        section = browser.stream.sections[0]
        await typed(pilot, "g", hex(section.payload_offset + 8 * 2_000))
        assert cursor(browser).value.startswith("6,000 fields, more than are taken apart")
        assert len(held(browser)) >= 512

    browsed(use, many_fields(3_000))


def test_a_small_terminal_is_told() -> None:
    async def use(browser: Browser, pilot: Any) -> None:
        assert "the terminal is small" in told(browser)

    browsed(use, size=(30, 8))


def test_bytes_beside_each_other() -> None:
    text = hex_text(bytes(range(32)), 0x100, 0x104, 6)
    lines = str(text).splitlines()
    assert lines[0].startswith("00000100 00 01 02 03 04 05 06 07 ") and lines[1].startswith("00000108 08 09 ")
    lit = "".join(str(text)[span.start : span.end] for span in text.spans if span.style == "reverse")
    assert bytes.fromhex(lit.replace("\n", " ").replace(".", "")) == bytes(range(4, 10))


def test_without_a_terminal_it_says_what_else_there_is() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vmstate", "browse", str(NET)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "vmstate show" in done.stderr


@pytest.mark.slow
def test_in_a_real_terminal() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "vmstate", "browse", str(NET)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"},
    )
    os.close(theirs)
    seen = b""
    asked_to_leave = False
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
        if not asked_to_leave and b"cpu_common" in seen:
            os.write(ours, b"q")
            asked_to_leave = True
    assert process.wait(timeout=60) == 0 and asked_to_leave


def screen(browser: Browser) -> str:
    """What stands on the screen: the words of the picture that Textual makes of it, line by line."""
    rows: dict[float, list[tuple[float, str]]] = {}
    for x, y, text in re.findall(
        r'<text [^>]*?x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>', browser.export_screenshot()
    ):
        rows.setdefault(float(y), []).append((float(x), unescape(text).replace("\xa0", " ")))
    return "\n".join("".join(text for _, text in sorted(row)).rstrip() for _, row in sorted(rows.items()))


@pytest.mark.slow
def test_the_screen_is_as_it_was_looked_at() -> None:
    """The text is that of a screen that was looked at; the bytes in it are compared with the stream itself."""

    async def use(browser: Browser, pilot: Any) -> None:
        entry = browser.stream[SECTION].trace()["virtio.net.mac"]
        await typed(pilot, "g", hex(entry.offset))
        shown = screen(browser)
        for words in ("0000:00:01.0/virtio-net  46,232 B", "mac  52:54:00:12:34:56", "num_queues  3"):
            assert words in shown
        data = browser.stream[SECTION].payload()
        start = browser.stream[SECTION].payload_offset
        line = entry.offset - (entry.offset - start) % 8
        row = data[line - start :][:8]
        assert f"{line:08x} {row.hex(' ')}" in shown
        assert shown.splitlines()[-2].startswith(f"{entry.offset:#x} 6 B  buffer  {SECTION}.virtio.net.mac")
        assert re.search("/ Find.*n Next.*g Offset.*e Edit.*d Diff.*s Save as.*q Quit", shown.splitlines()[-1])

    browsed(use, size=(100, 30))

"""The page in a real browser: nothing is loaded, nothing complains, a field lights its bytes, and keys are enough."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import NEEDS_BROWSER, chromium, grave
from handmade import scalar, stream_with, vmdesc_text
from recorded import FIXTURES

import vmstate
from vmstate.compare import open_target
from vmstate.fleet.page import write_rows_page
from vmstate.report import write_page

pytestmark = [*NEEDS_BROWSER]

NET = FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz"
EARLY, FINAL = (FIXTURES / f"pairs/qemu-7.2-vlan-add-{moment}.mig.xz" for moment in ("early", "final"))
SECTION = "0000:00:01.0/virtio-net"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


class Shown:
    """A page that is open, and everything that it complained of or asked for."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append("a dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.goto(path.as_uri())

    def _asked(self, url: str) -> None:
        if not url.startswith("file:") or not url.endswith(".html"):
            self.complaints.append(f"asked for {url}")

    def lit(self) -> bytes:
        return bytes.fromhex(" ".join(self.page.locator("#bytes mark").all_inner_texts()))


def written(tmp_path: Path, name: str, *arguments: Any, **options: Any) -> Path:
    path = tmp_path / f"{name}.html"
    write_page(path, *arguments, **options)
    return path


@pytest.fixture
def net(tmp_path: Path, browser: Any) -> Shown:
    return Shown(browser, written(tmp_path, "net", NET))


def test_a_field_lights_the_bytes_that_the_trace_tells(net: Shown) -> None:
    with vmstate.load(NET) as stream:
        section = stream[SECTION]
        payload, start = section.payload(), section.payload_offset
        fields = [
            (path, entry)
            for path, entry in section.trace().items()
            if entry.size and path.startswith("virtio.net.") and "." not in path[11:]
        ]
    net.page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    tried = 0
    for path, entry in fields:
        field = net.page.locator(f'.trees [data-o="{entry.offset}"][data-n="{entry.size}"]').last
        field.click()
        assert net.lit() == payload[entry.offset - start :][: entry.size], path
        assert f"at 0x{entry.offset:x}" in net.page.inner_text("#what")
        assert "facts from QEMU's hw/net/virtio-net.c" in net.page.inner_text("#what"), path
        tried += 1
    assert tried > 10 and not net.complaints


def test_keys_are_enough(net: Shown) -> None:
    from playwright.sync_api import expect

    page = net.page
    page.focus("#search")
    page.keyboard.type("macs")
    expect(page.locator("#hits")).to_have_text("1 field")
    page.keyboard.press("Tab")
    reached = ""
    for _ in range(60):
        reached = page.evaluate("document.activeElement.textContent")
        if reached.startswith("macs"):
            break
        page.keyboard.press("ArrowDown")
    assert reached.startswith("macs")
    page.keyboard.press("Enter")
    with vmstate.load(NET) as stream:
        entry = stream[SECTION].trace()["virtio.net.macs"]
        assert net.lit() == stream[SECTION].payload()[entry.offset - stream[SECTION].payload_offset :][: entry.size]
    assert not net.complaints


def test_search_shows_what_fits_and_nothing_else(net: Shown) -> None:
    from playwright.sync_api import expect

    page = net.page
    page.fill("#search", "last_avail_idx")
    expect(page.locator("#hits")).to_have_text("3 fields")
    assert page.locator("details.device:not(.away)").count() == 1
    page.fill("#search", "no such thing")
    expect(page.locator("#hits")).to_have_text("0 fields")
    assert page.locator("details.device:not(.away)").count() == 0
    page.fill("#search", "")
    expect(page.locator("#hits")).to_have_text("")
    assert page.locator("details.device.away").count() == 0 == page.locator("li.away").count()


def test_a_finding_leads_to_its_byte(tmp_path: Path, browser: Any) -> None:
    target = open_target(str(FIXTURES / "qemu-7.2-q35-virtio-net-mq4.mig.xz"))
    shown = Shown(browser, written(tmp_path, "explain", NET, against=target))
    jumps = shown.page.locator("#verdict .jump")
    offsets = [int(jump.get_attribute("data-to")) for jump in jumps.all()]
    assert offsets
    for number, offset in enumerate(offsets):
        jumps.nth(number).click()
        chosen = shown.page.locator(".chosen")
        start, size = (int(chosen.get_attribute(name)) for name in ("data-o", "data-n"))
        assert start <= offset < start + size
    assert not shown.complaints


PAGES = {
    "stream": lambda: ((NET,), {}),
    "diff": lambda: ((EARLY, FINAL), {"early": EARLY}),
    "explain": lambda: ((NET,), {"against": open_target(str(FIXTURES / "qemu-7.2-q35-virtio-net-cold.mig.xz"))}),
    "scrubbed": lambda: ((NET,), {"scrubbed": True}),
}


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_the_way_of_anybody(kind: str, scheme: str, tmp_path: Path, browser: Any) -> None:
    arguments, options = PAGES[kind]()
    shown = Shown(browser, written(tmp_path, kind, *arguments, **options), color_scheme=scheme, bypass_csp=True)
    shown.page.locator("details.device > summary").nth(3).click()
    assert grave(shown.page) == [] and shown.complaints == []


def test_a_hostile_stream_runs_nothing(tmp_path: Path, browser: Any) -> None:
    name = "</script><script>alert(1)</script><img src=http://localhost/x onerror=alert(2)><b onclick=alert(3)>"
    data = stream_with(vmdesc_text(scalar(name, 4)), b"\0\0\0\7")
    shown = Shown(browser, written(tmp_path, "hostile", data))
    shown.page.locator("details.device > summary").last.click()
    shown.page.locator("details.device button").last.click()
    assert shown.lit() == b"\0\0\0\7" and not shown.complaints
    assert "described by the stream's vmdesc, devices[0]" in shown.page.inner_text("#what")


def test_without_a_script_the_facts_are_there(tmp_path: Path, browser: Any) -> None:
    path = written(tmp_path, "net", NET)
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(path.as_uri())
    page.locator(f'details.device:has(b:text-is("{SECTION}")) > summary').click()
    assert page.locator("text=VIRTIO_NET_F_MAC").first.is_visible()
    assert not page.locator("#search").is_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out(width: int, tmp_path: Path, browser: Any) -> None:
    path = written(tmp_path, "diff", EARLY, FINAL, early=EARLY)
    shown = Shown(browser, path, viewport={"width": width, "height": 800})
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
    # Nor does anything when all is open: the list of what describes the fields, devices, noise.
    outside = """[...document.querySelectorAll('details')].map(part => part.open = true) &&
        [...document.querySelectorAll('dd, p, li, summary')].filter(part => part.scrollWidth > part.clientWidth + 1
        && part.clientWidth).map(part => part.outerHTML.slice(0, 200))"""
    assert shown.page.evaluate(outside) == []
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
    # A word of a heading, and a number, are not divided.
    divided = """[...document.querySelectorAll('#memory thead th, #memory td.n')].filter(cell => {
        const text = cell.firstChild, range = document.createRange();
        return text && [...text.data.matchAll(/[^ ]+/g)].some(word => {
            range.setStart(text, word.index);
            range.setEnd(text, word.index + word[0].length);
            return range.getClientRects().length > 1;
        });
    }).map(cell => cell.innerText)"""
    assert shown.page.evaluate(divided) == []


@pytest.fixture(params=["matrix", "scan"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The page of a matrix or of a scan, with a name that holds markup."""
    hostile = "<img src=http://localhost/x onerror=alert(2)>"
    if request.param == "matrix":
        lines: list[dict[str, Any]] = [
            {"source": source, "destination": destination, "verdict": verdict, "rule": "feature", "cause": hostile}
            for source, destination, verdict in (("a", "b", "fails"), ("a", hostile, "loads"), ("c", "b", "loads"))
        ]
    else:
        facts = dict.fromkeys(("size", "machine", "release", "vmdesc", "sections", "verify", "cause", "rule", "error"))
        lines = [
            {**facts, "file": file, "devices": ["nvme", hostile], "findings": [], "verdict": verdict}
            for file, verdict in (("a", "fails"), (hostile, "loads"), ("c", "loads"))
        ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_rows_page(tmp_path / "rows.html", tmp_path / "rows.jsonl")
    return tmp_path / "rows.html"


A4 = {"width": 688, "height": 1017}
"""CSS pixels of what a sheet holds within the margins of the style."""


def printed(shown: Shown) -> int:
    """Hold what is printed to what a sheet has; says on how many sheets it is."""
    page = shown.page
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth") <= A4["width"]
    wide = """[...document.querySelectorAll('main *')].filter(part => part.getClientRects().length
        && !part.closest('svg') && part.getBoundingClientRect().right > innerWidth + 1).map(part => part.outerHTML)"""
    assert page.evaluate(wide) == []
    # A number is on one line, and so is the heading of its column.
    broken = """[...document.querySelectorAll('td.n, table:not(.cells) thead th')].filter(cell => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        return new Set([...range.getClientRects()].map(line => Math.round(line.top))).size > 1;
    }).map(cell => cell.innerText)"""
    assert page.evaluate(broken) == []
    for part in ("nav", ".search", ".filter", "aside"):
        assert not page.locator(part).first.is_visible(), part
    text = page.pdf(format="A4", print_background=False, prefer_css_page_size=True)
    assert shown.complaints == []
    return int(text.count(b"/Type /Page\n"))


def test_what_is_printed_is_light_and_whole(tmp_path: Path, browser: Any) -> None:
    from playwright.sync_api import expect

    target = open_target(FIXTURES / "qemu-7.2-q35-virtio-net-mq4.mig.xz")
    path = written(tmp_path, "printed", EARLY, FINAL, early=EARLY, against=target)
    shown = Shown(browser, path, viewport=A4, color_scheme="dark")
    sheets = printed(shown)
    # What is folded away is printed too: the table of sizes, the fields of every device.
    expect(shown.page.locator("#sizes tbody tr").first).to_be_visible()
    assert 10 < sheets < 40


def test_pages_of_many_are_printed_whole(rows: Path, browser: Any) -> None:
    assert 1 <= printed(Shown(browser, rows, viewport=A4)) <= 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_of_many_is_for_everybody(rows: Path, scheme: str, browser: Any) -> None:
    shown = Shown(browser, rows, color_scheme=scheme, bypass_csp=True)
    assert grave(shown.page, ("moderate", "serious", "critical")) == [] and shown.complaints == []


def test_a_page_of_many_shows_what_is_asked_for(rows: Path, browser: Any) -> None:
    from playwright.sync_api import expect

    shown = Shown(browser, rows, viewport={"width": 360, "height": 800})
    page = shown.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    rows_shown = page.locator("tr[data-row]:not(.away)")
    before = rows_shown.count()
    page.select_option("#outcome", "fails")
    assert 0 < rows_shown.count() < before and page.locator("article:not(.away)").count() == 1
    page.fill("#search", "no such word")
    expect(page.locator("#hits")).to_contain_text("0 of")
    assert rows_shown.count() == 0
    page.select_option("#outcome", "")
    page.fill("#search", "")
    expect(page.locator("#hits")).to_have_text("")
    assert rows_shown.count() == before
    if page.locator("td a").count():
        page.locator("td a").first.click()
        assert page.url.endswith("#c0")
    assert shown.complaints == []

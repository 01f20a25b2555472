"""Hooks of the site (mkdocs.yml): pages that stand elsewhere in the repository, or are made.

The start page is README.md; CONTRIBUTING.md, SECURITY.md, CHANGELOG.md and fixtures/README.md are pages too, so that no
link of the documents leads out of the site. The page of rules is made from the library, the gallery by `report`.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent

ELSEWHERE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
    "fixtures.md": "fixtures/README.md",
    "ipoctal.md": "examples/ipoctal/README.md",
}
"""Page of the site -> the file in the repository."""

GALLERY = {
    "a stream": ("stream", ["fixtures/qemu-7.2-q35-virtio-net.mig.xz"]),
    "a stream of 11.1, two cards behind root ports": ("rootports", ["fixtures/qemu-11.1-q35-smp4-rootports.mig.xz"]),
    "what changed between two moments, and what early migration would do": (
        "diff",
        [
            "fixtures/pairs/qemu-7.2-vlan-add-early.mig.xz",
            "fixtures/pairs/qemu-7.2-vlan-add-final.mig.xz",
            "--early",
            "fixtures/pairs/qemu-7.2-vlan-add-early.mig.xz",
        ],
    ),
    "a load that fails, explained": (
        "explain",
        ["fixtures/qemu-7.2-q35-virtio-net-mq4.mig.xz", "--against", "fixtures/qemu-7.2-q35-virtio-net.mig.xz"],
    ),
    "a stream for strangers": ("scrubbed", ["fixtures/qemu-7.2-q35-virtio-net.mig.xz", "--scrub"]),
}
"""What a page shows -> its name, and the arguments of `vmstate report`."""


MATRIX = [
    f"fixtures/qemu-{name}.mig.xz"
    for name in ("7.2-q35-virtio-net", "7.2-q35-virtio-net-mq4", "7.2-q35-virtio-net-packed", "7.2-q35-virtio-net-rss")
]
"""Streams whose matrix has a page."""


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that do not stand under docs/."""
    for page, source in ELSEWHERE.items():
        files.append(File.generated(config, page, content=_moved((ROOT / source).read_text(encoding="utf-8"), source)))
    files.append(File.generated(config, "rules.md", content=_rules()))
    files.append(File.generated(config, "gallery.md", content=_gallery()))
    for name, arguments in GALLERY.values():
        files.append(File.generated(config, f"gallery/{name}.html", content=_page(arguments)))
    files.append(File.generated(config, "gallery/matrix.html", content=_matrix()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links from docs/ to files elsewhere lead to their pages; fences say their language, and to nobody how to test."""
    markdown = re.sub(r"(?m)^```(\w+) .*$", r"```\1", markdown)
    for target, source in ELSEWHERE.items():
        markdown = re.sub(rf"\]\(\.\./{re.escape(source)}(?=[)#])", f"]({target}", markdown)
    return markdown


def on_post_page(output: str, page: Any, config: Any) -> str:
    """What the theme gives no name has one for who reads by ear."""
    return _named(output)


def on_post_template(output_content: str, template_name: str, config: Any) -> str:
    """The same of the page that says that there is none."""
    return _named(output_content) if template_name == "404.html" else output_content


def _named(output: str) -> str:
    for part, name in (('role="dialog"', "Search"), ('id="__search"', "Search"), ('id="__drawer"', "Menu")):
        output = output.replace(part, f'{part} aria-label="{name}"')
    return output


def _moved(text: str, source: str) -> str:
    """The text of a file with its links as they are from docs/."""
    folder = Path(source).parent

    def link(match: re.Match[str]) -> str:
        words, place = match[1], match[2]
        path, _, anchor = place.partition("#")
        if not path or "://" in path:
            return match[0]
        whole = os.path.normpath(folder / path)
        page = next((page for page, held in ELSEWHERE.items() if held == whole), whole.removeprefix("docs/"))
        if page == whole and page not in ELSEWHERE:
            return words  # a folder or a file of the repository, which is no page
        return f"[{words}]({page}{'#' + anchor if anchor else ''})"

    return re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", link, text)


def _rules() -> str:
    """The place of every finding: rules of a device's state, of loading, of `verify`, of `source lint`."""
    from vmstate.compare import findings
    from vmstate.compare.source_lint import RULES as LINT
    from vmstate.stream import verify

    entries: dict[str, list[str]] = {}
    for name, lines in _rules_of_state().items():
        entries.setdefault(name, []).extend(lines)
    for name, text in findings.RULES.items():
        entries.setdefault(name, []).append(f"* `explain`, `compat`: {text}")
    for name, text in verify.RULES.items():
        entries.setdefault(name, []).append(f"* `verify`: {text}")
    for name, (severity, text) in LINT.items():
        entries.setdefault(name, []).append(f"* `source lint` ({severity}): {text}")
    lines = [
        "# Rules",
        "",
        "Every id that a finding can have. What QEMU minds of a device's state is told by `check`, `set`, `explain`; "
        "what it minds of the way things are sent by `explain` and `compat`; `verify` tells of the stream itself, "
        "`source lint` of [QEMU's source](source.md).",
        "",
    ]
    for name in sorted(entries):
        lines += [f"## {name}", "", *entries[name], ""]
    return "\n".join(lines)


def _rules_of_state() -> dict[str, list[str]]:
    """Every rule of the library: what it asks for, what QEMU prints, what to do, and the descriptions that have it."""
    from vmstate.devices import _index
    from vmstate.rules.check import all_rules
    from vmstate.stream.registry import all_descriptions

    rules: dict[tuple[str, str], Any] = {}
    holders: dict[str, set[str]] = {}
    for idstr in sorted(_index.INDEX):
        for vmsd in all_descriptions(idstr):
            for rule in all_rules(vmsd):
                rules.setdefault((rule.id, rule.text), rule)
                holders.setdefault(rule.id, set()).add(idstr)
    entries: dict[str, list[str]] = {}
    for (name, text), rule in sorted(rules.items()):
        if name not in entries:
            entries[name] = ["of " + ", ".join(f"`{idstr}`" for idstr in sorted(holders[name])), ""]
        since = f" (since QEMU {rule.since})" if rule.since is not None else ""
        entries[name].append(f"* {text}{since}" + ("; QEMU goes on with another value" if rule.mended else ""))
        entries[name] += [f"    * QEMU prints: `{rule.qemu_error}`"] if rule.qemu_error else []
        entries[name] += [f"    * to do: {rule.advice}"] if rule.advice else []
    return entries


def _gallery() -> str:
    lines = ["# Gallery", "", "Pages that `vmstate report` makes of the streams in the repository.", ""]
    lines += [f"* [{title}](gallery/{name}.html)" for title, (name, _) in GALLERY.items()]
    lines.append("* [who loads where](gallery/matrix.html)")
    return "\n".join([*lines, ""])


def _matrix() -> str:
    from vmstate.fleet.matrix import Side, explained
    from vmstate.fleet.page import rows_page_of

    sides = [Side(Path(path).name, str(ROOT / path), str(ROOT / path)) for path in MATRIX]
    with tempfile.TemporaryDirectory() as folder:
        cells = Path(folder, "matrix of four streams")
        rows = (explained(source, destination).as_dict() for source in sides for destination in sides)
        cells.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        return rows_page_of(cells)


def _page(arguments: list[str]) -> str:
    from vmstate.compare import open_target
    from vmstate.report import page_of

    words = iter(arguments)
    streams: list[Path] = []
    named: dict[str, Any] = {}
    for word in words:
        if word == "--early":
            named["early"] = ROOT / next(words)
        elif word == "--against":
            named["against"] = open_target(str(ROOT / next(words)))
        elif word == "--scrub":
            named["scrubbed"] = True
        else:
            streams.append(ROOT / word)
    return page_of(*streams, **named, site="..")

"""Draw what a terminal shows as SVG: run each command and keep exactly what it prints.

    python docs/img/draw.py OUTPUT.svg WIDTH COMMAND...

show.svg, of README.md, is

    F=fixtures/qemu-7.2-microvm-virtio-net-mmio.mig.xz
    python docs/img/draw.py docs/img/show.svg 88 \\
        "vmstate show $F apic" "vmstate show $F 'cpu.env.segs[1]'" "vmstate show $F 'cpu.env.cr[3]'"

Commands are run by sh in the current folder, with colours on. Nothing is cut and nothing is added but the prompt.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

PAPER, INK = (250, 250, 248), (36, 41, 47)
RED, GREEN, YELLOW, BLUE = (180, 35, 24), (26, 127, 55), (154, 103, 0), (9, 105, 218)
MAGENTA, CYAN, GREY = (130, 80, 223), (5, 102, 122), (110, 119, 129)
THEME = TerminalTheme(PAPER, INK, [INK, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, GREY])

# The picture must not load anything: a page that shows it does not let it, and a font of one's own reads best.
# What rich leaves for the title bar, which is not drawn.
MARGIN = 24
VIEW = re.compile(r'viewBox="0 0 (\S+) (\S+)"')

FORMAT = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace;
 font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
<rect fill="#fafaf8" width="{width}" height="{height}"/>
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def screen(commands: list[str], width: int) -> Text:
    """What a terminal of that width shows."""
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(width), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    text = Text()
    for command in commands:
        done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, check=False)
        if done.stderr or done.returncode > 1:
            sys.exit(f"{command}: {done.stderr or done.returncode}")
        text.append("$ ", "bold green").append(command + "\n", "bold")
        text.append_text(Text.from_ansi(done.stdout)).append("\n")
    text.rstrip()
    return text


def main() -> None:
    """Write the picture."""
    output, width, *commands = sys.argv[1:]
    console = Console(
        record=True, width=int(width), file=io.StringIO(), force_terminal=True, color_system="standard", highlight=False
    )
    console.print(screen(commands, int(width)))
    picture = console.export_svg(theme=THEME, code_format=FORMAT, unique_id="terminal", font_aspect_ratio=0.6)
    picture = VIEW.sub(lambda view: f'viewBox="0 {MARGIN} {view[1]} {float(view[2]) - MARGIN:g}"', picture)
    Path(output).write_text("\n".join(line.rstrip() for line in picture.splitlines()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

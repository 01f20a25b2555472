"""Pictures of pages: python docs/img/photograph.py PAGE.html PICTURE.png [light|dark] [WIDTHxHEIGHT]

page-light.png is of qemu-7.2-q35-virtio-net-mq4 against qemu-7.2-q35-virtio-net, page-dark.png of
qemu-11.1-q35-virtio-net, 1280x620. Needs Chromium, and Playwright and Pillow from the extra `dev`.
"""

import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

COLOURS = 128
"""As many as a page has, and shades between two of them at the edge of a letter."""


def photograph(page: Path, picture: str, scheme: str, width: int, height: int) -> None:
    """The top of a page as a browser shows it, and the bytes of a field."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": height})
        tab.goto(page.resolve().as_uri())
        if scheme == "dark":
            tab.fill("#search", "52:54:00")
            tab.wait_for_timeout(500)
            tab.locator(".trees button:visible", has_text="mac").first.click()
            tab.locator("#devices").scroll_into_view_if_needed()
        tab.screenshot(path=picture)
        browser.close()
    with Image.open(picture) as taken:
        taken.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(picture, optimize=True)


if __name__ == "__main__":
    place, picture, scheme, size = (*sys.argv[1:3], *(sys.argv[3:] + ["light", "1200x760"][len(sys.argv) - 3 :]))
    width, height = map(int, size.split("x"))
    photograph(Path(place), picture, scheme, width, height)

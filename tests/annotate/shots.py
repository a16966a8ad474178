"""Screenshots of every page, to be looked at: ``python -m tests.annotate.shots DATASET OUT``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.annotate.served import Served


def main(dataset: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        served = Served(dataset, Path(folder) / "store.sqlite").start()
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        try:
            for look in ("light", "dark"):
                for device, size in (("desktop", (1280, 900)), ("phone", (390, 844))):
                    shoot(browser, served, out, look, device, size)
        finally:
            browser.close()
            served.stop()


def shoot(browser, served, out, look, device, size):  # type: ignore[no-untyped-def]
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=look,
        is_mobile=device == "phone",
        has_touch=device == "phone",
    )
    page = context.new_page()

    def shot(name: str) -> None:
        page.screenshot(path=out / f"{name}-{device}-{look}.png", full_page=True)

    page.goto(served.links["a1"])
    shot("welcome")
    if page.locator("#consent").count():
        page.check("#consent")
    page.click("button.main")
    shot("overview")
    page.goto(f"{served.base}/clip/3")
    page.fill("#text", "A bell rings three times while <b>rain</b> falls, call 0170 1234567")
    page.wait_for_timeout(900)
    shot("clip-findings")
    page.fill("#text", "A bell rings three times while rain falls in the background")
    page.keyboard.press("Escape")
    page.locator("#play").focus()
    page.wait_for_timeout(900)
    shot("clip")
    page.goto(f"{served.base}/guidelines")
    shot("guidelines")
    page.goto(served.links["coordinator"])
    page.click("button.main")
    shot("board")
    page.goto(f"{served.base}/coordinator/clip/1")
    shot("board-clip")
    context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

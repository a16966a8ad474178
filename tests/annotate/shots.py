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
                for width, height in ((1280, 900), (360, 780), (320, 640)):
                    shoot(browser, served, out, look, (width, height))
        finally:
            browser.close()
            served.stop()


def shoot(browser, served, out, look, size):  # type: ignore[no-untyped-def]
    phone = size[0] < 640
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=look,
        is_mobile=phone,
        has_touch=phone,
    )
    page = context.new_page()

    def shot(name: str) -> None:
        page.screenshot(path=out / f"{name}-{size[0]}-{look}.png", full_page=True)

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
    page.goto(f"{served.base}/clip/3")
    session = context.cookies()
    context.clear_cookies()
    page.evaluate("document.querySelector('#describe').submit()")
    page.wait_for_selector("#again")
    shot("unsent")
    context.add_cookies(session)
    page.evaluate("document.querySelector('#again [name=who]').value = 'a2'")
    page.click("#again button")
    page.wait_for_selector("h1:has-text('somebody else')")
    shot("unsent-anothers")
    page.goto(served.links["coordinator"])
    page.click("button.main")
    shot("board")
    page.goto(f"{served.base}/coordinator/clip/1")
    shot("board-clip")
    context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

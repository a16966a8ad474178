"""A leaderboard of 50 and of 1,000 entries: building it, opening its pages, sorting a table.

The entries are made up (tests/leaderboard/made.py).  Entries are written first,
which is not timed.  Then: ``check`` reads and checks everything, ``build`` does
that again and writes tables and site.  In Chromium, from disk: the time from
navigation until the table answers, and what a click on a heading takes,
including the layout.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from lassbench.leaderboard.building import build, read
from tests.bench._table import machine, print_table
from tests.leaderboard import made

CHROMIUM = Path("/usr/bin/chromium")

#: Runs in the page before its own scripts: notes when the table is ready.
WATCH = """
new MutationObserver(() => {
  const root = document.documentElement;
  const ready = root && root.classList.contains('ready');
  if (ready && !window.readyAt) { window.readyAt = performance.now(); }
}).observe(document, {subtree: true, attributes: true, childList: true});
"""
CLICK = """key => {
  const button = document.querySelector(`#standings th[data-key=${key}] button`);
  const start = performance.now();
  button.click();
  document.body.offsetHeight;
  return performance.now() - start;
}"""
# Until a click has been painted and what it left for later is done: the next one waits for its own.
REST = """() => new Promise(done => {
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 20)));
})"""
FIND = """text => {
  const box = document.getElementById('search');
  const start = performance.now();
  box.value = text;
  box.dispatchEvent(new Event('input'));
  document.body.offsetHeight;
  return performance.now() - start;
}"""


def main(arguments: list[str]) -> None:
    """Run it; ``--entries``, ``--suites`` and ``--queries`` make it smaller."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench leaderboard")
    parser.add_argument("--entries", type=int, nargs="+", default=[50, 1000])
    parser.add_argument("--suites", type=int, default=5)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--keep", type=Path, help="Leave the leaderboards and their sites here.")
    options = parser.parse_args(arguments)
    print(machine("numpy", "pyarrow", "jinja2"))
    for entries in options.entries:
        with tempfile.TemporaryDirectory() as temporary:
            place = (options.keep or Path(temporary)) / str(entries)
            root, site = place / "leaderboard", place / "site"
            make(root, entries, options.suites, options.queries)
            rows = [
                *timed_build(root, site),
                *in_browser(site / "suites" / "suite-0" / "index.html"),
            ]
        print(
            f"\n{entries} entries, {options.suites} suites, {entries // options.suites} systems and"
            f" {options.queries} queries each"
        )
        print_table(["what", "figure"], rows)


def make(root: Path, entries: int, suites: int, queries: int) -> None:
    """Write made-up entries, as `lassbench leaderboard add` would."""
    for number in range(suites):
        suite = made.suite_info(f"suite-{number}", queries=queries)
        scores = [
            made.make_scores(
                f"System {system:04d}",
                suite=suite,
                quality_db=2 + system * 8 * suites / entries,
                seed=number * 100_000 + system,
            )
            for system in range(entries // suites)
        ]
        made.add(root, *scores)


def timed_build(root: Path, site: Path) -> list[list[str]]:
    """Seconds of checking and building, and what was written."""
    start = time.perf_counter()
    read(root)
    checked = time.perf_counter() - start
    start = time.perf_counter()
    build(root, site=site)
    built = time.perf_counter() - start
    files = [path for path in site.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return [
        ["check", f"{checked:.1f} s"],
        ["build (check, ranks, tables, site)", f"{built:.1f} s"],
        ["site", f"{len(files)} files, {size / 1e6:.0f} MB"],
    ]


def in_browser(page: Path) -> list[list[str]]:
    """Milliseconds in Chromium; medians and the worst of several runs."""
    if not CHROMIUM.exists():
        return [["in the browser", f"not measured: no {CHROMIUM}"]]
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        opened = [_open(browser, page) for _ in range(7)]
        ready = [one.evaluate("window.readyAt") for one in opened]
        last = opened[-1]
        keys = ["name", "rank", "sdr_i", "sir_i", "sar", "snr_i", "si_sdr_i", "parameters"]
        sorts: dict[str, list[float]] = {key: [] for key in keys}
        for key in keys * 5:
            last.evaluate(REST)
            sorts[key].append(last.evaluate(CLICK, key))
        finds = [last.evaluate(FIND, text) for text in ("system 01", "9", "", "nothing") * 4]
        heavy = page.stat().st_size
        browser.close()
    return [
        ["suite page", f"{heavy / 1e6:.2f} MB"],
        ["page answers after", _spread(ready)],
        ["sorting by a column", _spread([one for of_key in sorts.values() for one in of_key])],
        ["sorting by the slowest column", _spread(max(sorts.values(), key=statistics.median))],
        ["searching", _spread(finds)],
    ]


def _open(browser: Any, page: Path) -> Any:
    opened = browser.new_page()
    opened.add_init_script(WATCH)
    opened.goto(page.as_uri())
    opened.wait_for_selector("html.ready")
    return opened


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ms (worst {max(values):.0f} ms)"

"""The built site in a real browser: from disk, by keyboard, on a phone, in the dark."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lassbench.leaderboard.building import build
from lassbench.leaderboard.checks import read_leaderboard
from lassbench.leaderboard.ranking import TABLE_METRICS
from lassbench.scores.comparison import common_rows
from lassbench.scores.rows import seen
from lassbench.scores.statistics import RESAMPLES, paired_difference
from tests.leaderboard import sounds

pytestmark = pytest.mark.browser

SHIPPED = Path(__file__).resolve().parents[2] / "leaderboard"


@pytest.fixture(scope="module")
def root(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("browser")
    root = Path(shutil.copytree(filled, place / "leaderboard"))
    sounds.export(root)
    shutil.copytree(SHIPPED / "reported", root / "reported")
    shutil.copy(SHIPPED / "site.json", root)
    build(root, site=place / "site")
    return root


@pytest.fixture(scope="module")
def site(root: Path) -> str:
    return (root.parent / "site").as_uri()


class Opened:
    """A page with everything that it complained of or asked for."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, **options}
        )
        # A busy machine is slow, not broken.
        self.context.set_default_timeout(120_000)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, address: str) -> Any:
        self.page.goto(address)
        return self.page

    def ready(self, address: str) -> Any:
        """As :meth:`open`, once the page's scripts have run."""
        page = self.open(address)
        page.wait_for_selector("html.ready")
        return page

    def finish(self) -> None:
        self.context.close()
        assert self.said == []
        assert [url for url in self.asked if not url.startswith(("file:", "data:"))] == []


@pytest.fixture
def opened(chromium: Any) -> Iterator[Opened]:
    found = Opened(chromium)
    yield found
    found.finish()


@pytest.fixture
def suite(opened: Opened, site: str) -> Any:
    return opened.ready(f"{site}/suites/made-test/index.html")


def names(page: Any) -> list[str]:
    # Not `inner_text`, which is empty while the page is laid out anew.
    return [
        one.text_content().strip()
        for one in page.query_selector_all("#standings tbody .name")
        if one.is_visible()
    ]


def values(page: Any, metric: str) -> list[float | None]:
    cells = page.query_selector_all(f"#standings tbody tr:not([hidden]) td[data-m={metric}]")
    return [float(v) if (v := cell.get_attribute("data-v")) else None for cell in cells]


def until(page: Any, condition: str) -> None:
    """Wait for ``condition``; the page's policy forbids Playwright's own way of waiting."""
    for _ in range(1000):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {condition}")


PAGES = [
    "index.html",
    "reported.html",
    "about.html",
    "taking-part.html",
    "suites/made-test/index.html",
    "suites/made-test/compare.html",
    "suites/made-test/listen.html",
    "suites/made-test/systems/lass-net.html",
    "suites/made-test/systems/mixture.html",
    "suites/made-asked/index.html",
    "suites/made-absent/index.html",
]
MAIN = [PAGES[0], *PAGES[3:8]]


@pytest.mark.parametrize(
    ("width", "theme", "names"),
    [(1280, "light", PAGES), (360, "light", MAIN), (1280, "dark", MAIN)],
    ids=["wide", "phone", "dark"],
)
def test_no_page_has_a_barrier(
    chromium: Any, site: str, width: int, theme: str, names: list[str]
) -> None:
    """axe-core: on every kind of page all its rules, in the dark its rule on contrast."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = Opened(chromium, viewport={"width": width, "height": 800}, color_scheme=theme)
    options: dict[str, Any] = {"preload": False, "resultTypes": ["violations"]}
    if theme == "dark":
        options["runOnly"] = {"type": "rule", "values": ["color-contrast"]}
    barriers = []
    for name in names:
        page = found.open(f"{site}/{name}")
        page.wait_for_timeout(50)
        for one in axe.run(page, options=options).response["violations"]:
            where = [node["target"] for node in one["nodes"]][:3]
            barriers.append(f"{name}: {one['impact']} {one['id']} {where}")
    found.finish()
    assert barriers == []


def test_no_page_is_wider_than_a_narrow_screen(opened: Opened, site: str) -> None:
    for name in PAGES:
        page = opened.open(f"{site}/{name}")
        for width in (320, 375, 768):
            page.set_viewport_size({"width": width, "height": 700})
            page.wait_for_timeout(50)
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert over <= 0, f"{name} is {over} px too wide at {width}"


def test_the_table_starts_best_first_and_sorts_by_every_column(suite: Any) -> None:
    start = values(suite, "si_sdr_i")
    assert start == sorted(start, key=lambda v: -(v or 0))
    suite.click("#standings th[data-key=sdr_i] button")
    first = values(suite, "sdr_i")
    assert first == sorted(first, key=lambda v: -(v or 0))
    assert suite.get_attribute("th[data-key=sdr_i]", "aria-sort") == "descending"
    assert suite.get_attribute("th[data-key=si_sdr_i]", "aria-sort") is None
    suite.click("#standings th[data-key=sdr_i] button")
    assert values(suite, "sdr_i") == first[::-1]
    suite.click("#standings th[data-key=name] button")
    assert names(suite) == sorted(names(suite), key=str.lower)
    suite.click("#standings th[data-key=rank] button")
    ranks = [one.inner_text() for one in suite.query_selector_all("#standings td.rank span")]
    assert ranks[0] == "1"
    assert ranks[-1] == "\u2013"


def test_undefined_values_stand_last_both_ways(suite: Any) -> None:
    suite.click("#standings th[data-key=sar] button")
    assert values(suite, "sar")[-1] is None
    suite.click("#standings th[data-key=sar] button")
    assert values(suite, "sar")[-1] is None


def test_the_filters_leave_what_matches(suite: Any) -> None:
    everything = names(suite)
    suite.fill("#search", "unet")
    assert names(suite) == ["UNet (tags)"]
    assert suite.inner_text("#status").startswith("1 of 6 systems")
    suite.fill("#search", "nothing like it")
    assert names(suite) == []
    assert suite.is_visible("#none-left")
    suite.fill("#search", "")
    suite.uncheck("input[name=type][value=oracle]")
    assert "Oracle mask" not in names(suite)
    suite.check("input[name=type][value=oracle]")
    suite.select_option("#standing", "partial")
    assert names(suite) == ["Half done"]
    suite.select_option("#standing", "")
    assert names(suite) == everything


def test_another_metric_ranks_and_draws_again(suite: Any) -> None:
    before = suite.inner_html("#standings tbody tr[data-slug=lass-net] td.plot")
    suite.select_option("#metric", "sir_i")
    found = values(suite, "sir_i")
    assert found == sorted(found, key=lambda v: -(v or 0))
    assert suite.inner_html("#standings tbody tr[data-slug=lass-net] td.plot") != before
    expected = suite.get_attribute("tr[data-slug=lass-net] td[data-m=sir_i]", "data-r")
    assert suite.inner_text("tr[data-slug=lass-net] td.rank span") == expected


def test_the_drawn_intervals_stand_where_the_numbers_are(suite: Any) -> None:
    """Means to pixels is one straight line through all rows."""
    points = suite.evaluate(
        """() => [...document.querySelectorAll('#standings tbody tr[data-slug]')].map(row => {
          const dot = row.querySelector('.dot'), reach = row.querySelector('.reach');
          const d = row.querySelector('td[data-m=si_sdr_i]').dataset;
          const x = [dot.getAttribute('x1'), reach.getAttribute('x1'), reach.getAttribute('x2')];
          return [d.v, x[0], d.lo, x[1], d.hi, x[2]].map(Number);
        })"""
    )
    table = np.array(points).reshape(-1, 2)
    slope, offset = np.polyfit(table[:, 0], table[:, 1], 1)
    assert np.allclose(slope * table[:, 0] + offset, table[:, 1], atol=1e-6)
    assert slope > 0


def test_the_lines_behind_stand_at_the_ticks(suite: Any) -> None:
    found = suite.evaluate(
        """() => ({
          lines: getComputedStyle(document.querySelector('#standings td.plot')).backgroundImage,
          ticks: [...document.querySelectorAll('#standings .axis .tick')].map(t => t.style.left),
        })"""
    )
    lines = re.findall(r"rgba\(0, 0, 0, 0\) calc\((?:-0\.5px \+ )?([\d.]+)%", found["lines"])
    ticks = [float(one.rstrip("%")) for one in found["ticks"]]
    assert len(ticks) > 2
    assert [float(one) for one in lines[::2]] == pytest.approx(ticks, abs=0.01)


def test_what_is_out_of_sight_has_its_numbers(chromium: Any, site: str) -> None:
    """Rows below the window are not laid out, but are read out, copied and reached."""
    found = Opened(chromium, viewport={"width": 1280, "height": 300})
    page = found.ready(f"{site}/suites/made-test/index.html")
    last = page.locator("#standings tbody tr[data-slug]").last
    assert page.evaluate("document.querySelector('#standings').getBoundingClientRect().top") > 300
    copied = """() => {
      getSelection().selectAllChildren(document.querySelector('#standings'));
      return getSelection().toString();
    }"""
    for text, rows in ((last.aria_snapshot(), 1), (page.evaluate(copied), 6)):
        assert len(re.findall(r"\d\.\d\d to", text)) >= 4 * rows
    last.locator(".pick").focus()
    top, bottom = page.evaluate(
        """() => { const box = document.activeElement.getBoundingClientRect();
                   return [box.top, box.bottom]; }"""
    )
    assert 0 <= top < bottom <= 300
    found.finish()


def test_bars_show_the_breakdown_and_its_numbers(suite: Any, root: Path) -> None:
    figure = suite.locator("figure[data-by=concept]")
    figure.locator("summary").click()
    until(suite, "document.querySelector('figure[data-by=concept] tbody td')")
    head = figure.locator("thead th").all_inner_texts()
    assert head[0] == "concept"
    cells = dict(
        zip(
            figure.locator("tbody th").all_inner_texts(),
            figure.locator("tbody tr td:nth-of-type(1)").all_inner_texts(),
            strict=True,
        )
    )
    entries = {e.name: e for e in read_leaderboard(root).entries["made-test"]}
    breakdown = entries[head[1]].breakdowns["concept"]
    for concept, text in cells.items():
        mean = breakdown[concept]["si_sdr_i"].mean
        assert text.startswith(f"{mean:.2f}".replace("-", "\u2212"))
    bars = figure.locator("rect.bar").count()
    assert bars == len(cells) * (len(head) - 1)
    # The chart is drawn after the table, in a task of its own.
    drawn = "document.querySelectorAll('figure[data-by=concept] rect.bar').length"
    suite.click("#bar-chosen button >> nth=0")
    until(suite, f"{drawn} === {bars - len(cells)}")
    suite.select_option("#bar-systems", label="Half done")
    heads = "document.querySelector('figure[data-by=concept] thead').innerText"
    until(suite, f"{heads}.includes('Half done')")


def test_two_ticked_systems_lead_to_their_comparison(suite: Any) -> None:
    suite.check("tr[data-slug=lass-net] input.pick")
    assert not suite.is_visible("#compare a")
    suite.check("tr[data-slug=lass-net-small] input.pick")
    suite.click("#compare a")
    suite.wait_for_selector("html.ready")
    assert suite.input_value("#first") == "lass-net"
    assert suite.input_value("#second") == "lass-net-small"


@pytest.mark.parametrize("metric", ["si_sdr_i", "sir_i"])
def test_the_comparison_agrees_with_the_statistics(
    opened: Opened, site: str, root: Path, metric: str
) -> None:
    entries = {e.slug: e for e in read_leaderboard(root).entries["made-test"]}
    a, b = entries["lass-net"], entries["half-done"]
    ours, theirs = common_rows(a.rows, b.rows)
    targets = list(theirs["target_id"])
    expected = paired_difference(ours[metric], theirs[metric], targets)
    page = opened.ready(f"{site}/suites/made-test/compare.html#a=lass-net&b=half-done&m={metric}")

    def numbers(selector: str) -> list[float]:
        text = page.inner_text(selector).replace("\u2212", "-").replace("+", "")
        return [float(one) for one in re.findall(r"-?\d+\.?\d*", text)]

    assert numbers("#difference")[0] == pytest.approx(expected.diff, abs=0.006)
    low, high = numbers("#interval")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.08)
    shown = page.inner_text("#p-value")
    if shown.startswith("<"):
        assert expected.p_value < 0.002
    else:
        assert float(shown) == pytest.approx(expected.p_value, abs=0.02)
    assert numbers("#wins")[:2] == [expected.wins, expected.losses]
    assert numbers("#counted") == [expected.n, len(set(targets))]


def test_few_targets_are_studentised(opened: Opened, site: str, root: Path) -> None:
    """Twelve targets, for which the page needs Student's distribution."""
    entries = {e.slug: e for e in read_leaderboard(root).entries["made-test"]}
    a, b = entries["lass-net-small"], entries["unet-tags"]
    targets = list(a.rows["target_id"])
    assert len(set(targets)) == 12
    page = opened.ready(
        f"{site}/suites/made-test/compare.html#a=lass-net-small&b=unet-tags&m=sdr_i"
    )
    shown = page.locator("#every tbody tr").all()
    assert len(shown) > 3
    for line, metric in zip(shown, TABLE_METRICS["separation"], strict=True):
        first, second = seen(a.rows, metric), seen(b.rows, metric)
        expected = paired_difference(first, second, targets)
        _, interval, p_value, *_ = line.locator("td").all_inner_texts()
        ends = [float(one) for one in interval.replace("\u2212", "-").split(" to ")]
        width = expected.high - expected.low
        assert ends == pytest.approx([expected.low, expected.high], abs=0.05 * width + 0.006)
        noise = 5 * np.sqrt(expected.p_value / RESAMPLES)
        assert float(p_value.strip("<")) == pytest.approx(expected.p_value, abs=noise)


def test_the_comparison_follows_what_is_chosen(opened: Opened, site: str) -> None:
    page = opened.ready(f"{site}/suites/made-test/compare.html")
    first = page.inner_text("#difference")
    page.click("#swap")
    swapped = page.inner_text("#difference")
    assert {first[0], swapped[0]} == {"+", "\u2212"}
    assert first[1:] == swapped[1:]
    page.select_option("#second", page.input_value("#first"))
    assert "two different" in page.inner_text("#verdict")
    page.select_option("#first", "mixture")
    page.select_option("#second", "lass-net")
    page.select_option("#metric", "sar")
    assert "No query is defined for both" in page.inner_text("#verdict")
    assert "a=mixture&b=lass-net&m=sar" in page.url


def test_dots_tell_their_query(opened: Opened, site: str) -> None:
    page = opened.ready(f"{site}/suites/made-test/compare.html")
    page.click("#best-first button >> nth=0")
    assert "a sound of" in page.inner_text("#point")
    ring = page.locator("#scatter .ring").bounding_box()
    page.click("#best-second button >> nth=0")
    before = page.inner_text("#point")
    page.mouse.move(ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2)
    assert page.inner_text("#point") != before


def test_everything_works_by_keyboard(opened: Opened, site: str) -> None:
    page = opened.ready(f"{site}/suites/made-test/index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.url.endswith("#content")
    page.focus("#standings th[data-key=snr_i] button")
    page.keyboard.press("Enter")
    assert page.get_attribute("th[data-key=snr_i]", "aria-sort") == "descending"
    page.keyboard.press("Space")
    assert page.get_attribute("th[data-key=snr_i]", "aria-sort") == "ascending"
    page.focus("tr[data-slug=lass-net] input.pick")
    page.keyboard.press("Space")
    assert page.is_checked("tr[data-slug=lass-net] input.pick")
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "(e => e.id || e.dataset.key || e.className || e.tagName)(document.activeElement)"
            )
        )
    assert {"metric", "search", "standing", "theme", "bar-systems", "pick", "drop"} <= reached


def brightness(page: Any) -> float:
    """Of the page's paper, 0 to 255."""
    text = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return float(np.mean([int(one) for one in re.findall(r"\d+", text)[:3]]))


def test_light_and_dark_follow_the_system_and_the_button(chromium: Any, site: str) -> None:
    for theme, dark in (("light", False), ("dark", True)):
        found = Opened(chromium, color_scheme=theme)
        page = found.open(f"{site}/index.html")
        assert (brightness(page) < 128) is dark
        press_theme(page, "Light theme" if dark else "Dark theme")
        assert (brightness(page) < 128) is not dark
        page = found.open(f"{site}/about.html")
        assert (brightness(page) < 128) is not dark, "the choice is kept from page to page"
        press_theme(page, "Dark theme" if dark else "Light theme")
        assert (brightness(page) < 128) is dark
        found.finish()


def press_theme(page: Any, says: str) -> None:
    """Press the theme's button, which says what a click changes to, also to those who listen."""
    button = page.get_by_role("button", name=re.compile("theme$"))
    assert button.aria_snapshot() == f'- button "{says}"'
    assert button.inner_text() == says
    button.click()
    assert button.inner_text() == {"Dark theme": "Light theme", "Light theme": "Dark theme"}[says]


def test_the_theme_button_follows_the_system(opened: Opened, site: str) -> None:
    page = opened.open(f"{site}/index.html")
    for theme, says in (("dark", "Light theme"), ("light", "Dark theme")):
        page.emulate_media(color_scheme=theme)
        until(page, f"document.getElementById('theme').textContent === '{says}'")


@pytest.mark.parametrize("theme", ["light", "dark", "dark by choice"])
def test_paper_shows_every_metric_in_black_on_white(chromium: Any, site: str, theme: str) -> None:
    chosen, theme = theme == "dark by choice", theme.replace("dark by choice", "light")
    found = Opened(chromium, viewport={"width": 700, "height": 900}, color_scheme=theme)
    page = found.ready(f"{site}/suites/made-test/index.html")
    if chosen:
        page.click("#theme")
        assert brightness(page) < 60
    assert not page.is_visible("th.m-sir_i")
    page.emulate_media(media="print", color_scheme=theme)
    assert not page.is_visible(".controls")
    assert not page.is_visible("#theme")
    assert page.is_visible("#standings th.m-sir_i")
    colours = (
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert page.evaluate(colours) == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    assert len(page.pdf()) > 10_000
    found.finish()


def test_listening_switches_tracks_at_the_same_moment(opened: Opened, site: str) -> None:
    page = opened.ready(f"{site}/suites/made-test/listen.html")
    state = """() => [...document.querySelectorAll('.player')].map(p =>
      [...p.querySelectorAll('audio')].map(a => [a.paused, a.currentTime]))"""
    page.click(".player >> nth=0 >> button.play")
    until(page, "document.querySelector('audio').currentTime > 0.3")
    page.click(".player >> nth=0 >> .track:nth-child(3) button.hear")
    until(page, "!document.querySelectorAll('audio')[2].paused")
    first = page.evaluate(state)[0]
    assert [paused for paused, _ in first] == [True, True, False, True]
    assert first[2][1] >= first[0][1] - 0.1 > 0.1, "the new track goes on, it does not start anew"
    pressed = "document.querySelector('.track:nth-child(3) button.hear')"
    until(page, f"{pressed}.getAttribute('aria-pressed') === 'true'")
    page.click(".player >> nth=1 >> button.play")
    until(page, "!document.querySelectorAll('.player')[1].querySelector('audio').paused")
    assert all(paused for paused, _ in page.evaluate(state)[0]), "one query sounds at a time"
    page.click(".player >> nth=1 >> button.play")
    assert all(paused for paused, _ in page.evaluate(state)[1]), "the same button pauses"
    page.focus(".player >> nth=1 >> input[type=range]")
    page.keyboard.press("End")
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    assert float(page.input_value(".player >> nth=1 >> input[type=range]")) > sounds.SECONDS - 2
    page.click(".player >> nth=1 >> button.play")
    until(page, "document.querySelectorAll('.player')[1].querySelector('audio').ended")
    assert page.inner_text(".player >> nth=1 >> button.play") == "Play"


def test_without_scripts_every_number_is_there_and_the_dark_follows_the_system(
    chromium: Any, site: str
) -> None:
    papers = []
    for theme in ("light", "dark"):
        found = Opened(chromium, java_script_enabled=False, color_scheme=theme)
        page = found.open(f"{site}/suites/made-test/index.html")
        papers.append(brightness(page))
        text = page.inner_text("#standings").replace("\u2212", "-")
        assert "LASS-Net small" in text
        assert len(re.findall(r"-?\d+\.\d\d to", text)) > 20
        found.finish()
    assert papers[0] > 200
    assert papers[1] < 60


def test_a_system_page_draws_its_spread(opened: Opened, site: str) -> None:
    page = opened.open(f"{site}/suites/made-test/systems/lass-net.html")
    page.wait_for_selector("#spread svg")
    assert "Median" in page.inner_text("#spread-facts")
    page.select_option("#metric", "sar")
    assert "SAR" in page.get_attribute("#spread svg", "aria-label")
    page = opened.open(f"{site}/suites/made-test/systems/mixture.html")
    page.wait_for_selector("#spread svg")
    page.select_option("#metric", "sar")
    assert "Undefined" in page.inner_text("#spread-facts")


@pytest.mark.parametrize("width", [320, 700, 1280])
def test_no_number_of_the_table_is_cut_off(opened: Opened, site: str, width: int) -> None:
    """Cells are clipped at their edges: what is in them has to fit, two-digit negatives too."""
    page = opened.ready(f"{site}/suites/made-test/index.html")
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(
        """() => document.querySelectorAll('#standings .cell small').forEach(one => {
          one.textContent = '\u221213.44 to \u221211.13';
        })"""
    )
    cut = page.evaluate(
        """() => [...document.querySelectorAll('#standings .cell, #standings .who')]
          .filter(one => one.clientWidth && one.scrollWidth > one.clientWidth + 1)
          .map(one => one.innerText)"""
    )
    assert cut == []

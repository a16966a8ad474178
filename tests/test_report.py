"""The report page: self-contained, escaped, and showing what the rows say."""

from __future__ import annotations

import base64
import dataclasses
import io
import itertools
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import soundfile
from markupsafe import Markup
from PIL import ImageFont

from lassbench.dataset import Dataset
from lassbench.files import name_of
from lassbench.pictures import plots
from lassbench.pictures.page import HEIGHT, WIDTH, sound, write_report
from lassbench.pictures.spectrogram import level_db
from lassbench.predictions import System, write_system
from lassbench.records import SystemCard
from lassbench.scores.comparison import beside
from lassbench.scores.folders import score_folders
from lassbench.scores.score_file import Bootstrap, Cell, Scores
from lassbench.separators import as_separator, run
from lassbench.suites import audit, freezing
from lassbench.suites.suite import Suite

NASTY = 'Net <img src=x onerror="alert(1)">{{ 7*7 }}</script><b>'


class Page(HTMLParser):
    """Tags with their attributes, and the visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str, class_: str = "") -> list[dict[str, str | None]]:
        return [
            attributes
            for name, attributes in self.tags
            if name == tag and class_ in (attributes.get("class") or "")
        ]


def halved(mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
    return np.convolve(mixture, np.ones(3) / 3, mode="same").astype(np.float32)


@pytest.fixture(scope="module")
def suite(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    plan = freezing.plan_separation(tiny_dataset, name="shown", noises=2)
    queries = [dataclasses.replace(q, text=f"<i>{q.text}</i>") for q in plan.queries]
    plan = dataclasses.replace(plan, queries=queries)
    out = tmp_path_factory.mktemp("frozen") / "shown"
    with pytest.MonkeyPatch.context() as patch:
        # The page escapes what a suite of another version may hold.
        patch.setattr(audit, "caption_fault", lambda text: "")
        return freezing.freeze(plan, tiny_dataset, out, export_audio=False)


@pytest.fixture(scope="module")
def folder(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("predictions") / "halved"
    run(as_separator(halved), suite, out)
    write_system(out, System(SystemCard(name=NASTY, authors="<b>", trained_on=("<u>",))))
    return out


@pytest.fixture(scope="module")
def scored(suite: Suite, folder: Path) -> Scores:
    return score_folders([folder], suite, workers=1, bootstrap=Bootstrap(resamples=100, seed=0))[0]


@pytest.fixture(scope="module")
def text(
    suite: Suite, folder: Path, scored: Scores, tmp_path_factory: pytest.TempPathFactory
) -> str:
    out = tmp_path_factory.mktemp("report")
    path = write_report(out, scored, suite, folder, beside=beside(scored, []))
    return path.read_text()


def test_the_page_needs_nothing_but_itself(text: str) -> None:
    page = Page(text)
    assert text.startswith("<!doctype html>")
    for _, attributes in page.tags:
        for name in ("src", "href", "poster", "srcset", "action"):
            if attributes.get(name):
                assert attributes[name].startswith("data:"), attributes[name][:80]
    assert not re.search(r"https?://|@import|url\(", text.replace("http-equiv", ""))
    policy = next(one["content"] for one in page.all("meta") if one.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_strangers_words_stay_words(text: str) -> None:
    page = Page(text)
    assert not [one for one in page.all("img") if "onerror" in one]
    assert not page.all("b")
    assert not page.all("i")
    assert not page.all("u")
    assert "49" not in "".join(page.words).split("Net ")[1][:60]
    assert len(page.all("script")) == 1
    assert NASTY in "".join(page.words)


def test_every_query_is_in_the_plots(text: str, scored: Scores) -> None:
    page = Page(text)
    assert len(page.all("circle", "point")) == len(scored.rows)
    wrong = sum(scored.rows["wrong_source"].to_pylist())
    assert len(page.all("circle", "wrong")) == wrong
    counts = re.findall(r"-?[\d.]+ to -?[\d.]+: (\d+) quer", text)
    assert sum(map(int, counts)) == len(scored.rows)
    for concept in scored.file.breakdowns["concept"]:
        assert concept in page.words


def test_the_best_and_the_worst_are_shown_in_order(text: str, scored: Scores) -> None:
    rows = sorted(scored.rows.to_pylist(), key=lambda row: (-row["si_sdr_i"], row["query_id"]))
    ids = [row["query_id"] for row in rows]
    shown = re.findall(r"<code>(shown-\d+)</code>", text)
    assert shown == ids[:10] + ids[:-11:-1]


def test_sounds_are_in_the_page_only_where_they_may_be(
    text: str, suite: Suite, folder: Path, scored: Scores, tmp_path: Path
) -> None:
    assert len(Page(text).all("audio")) == 20 * 3
    closed = suite.model_copy(update={"audio_may_be_published": False})
    silent = write_report(tmp_path, scored, closed, folder).read_text()
    assert not Page(silent).all("audio")
    assert "audio/" not in silent
    assert "may not be published" in silent
    private = write_report(tmp_path, scored, closed, folder, include_audio=True).read_text()
    assert len(Page(private).all("audio")) == 20 * 3
    assert "must not be published" in private


def test_the_same_score_makes_the_same_page(
    text: str, suite: Suite, folder: Path, scored: Scores, tmp_path: Path
) -> None:
    again = write_report(tmp_path, scored, suite, folder, beside=beside(scored, []))
    assert again.read_text() == text
    assert again.name == f"{name_of(NASTY)}.html"


def test_marks_of_synthetic_and_partial_results(
    text: str, suite: Suite, folder: Path, tmp_path: Path
) -> None:
    assert "synthetic sounds" in text
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    for path in sorted(copy.glob("*.wav"))[:3]:
        path.unlink()
    found = score_folders(
        [copy], suite, workers=1, allow_partial=True, bootstrap=Bootstrap(resamples=50, seed=0)
    )[0]
    assert "partial result" in write_report(tmp_path, found, suite, copy).read_text()


def test_an_absent_suite_has_its_own_page(tiny_dataset: Dataset, tmp_path: Path) -> None:
    plan = freezing.plan_separation(tiny_dataset, name="base", noises=1)
    absent = freezing.plan_silence(plan, name="gone")
    frozen = freezing.freeze(absent, tiny_dataset, tmp_path / "gone", export_audio=False)
    run(as_separator(halved), frozen, tmp_path / "out")
    found = score_folders(
        [tmp_path / "out"], frozen, workers=1, bootstrap=Bootstrap(resamples=50, seed=0)
    )[0]
    page = Page(write_report(tmp_path, found, frozen, tmp_path / "out").read_text())
    assert "attenuation" in page.words
    assert not page.all("circle")
    assert len(page.all("audio")) == 20 * 2  # mixture and estimate: there is no target


# --- plots ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "zero", "expected"),
    [
        (0.3, 13.0, False, (0.0, 14.0, 2.0)),
        (-3.2, 41.0, True, (-10.0, 50.0, 10.0)),
        (5.0, 5.0, False, (4.0, 6.0, 1.0)),
        (0.012, 0.034, False, (0.01, 0.035, 0.005)),
    ],
)
def test_axes_are_round(low: float, high: float, zero: bool, expected: tuple[float, ...]) -> None:
    found = plots.axis(np.array([low, high]), 0, 100, zero=zero)
    assert (found.low, found.high, found.step) == pytest.approx(expected)
    assert found(found.low) == 0
    assert found(found.high) == 100
    assert found((found.low + found.high) / 2) == pytest.approx(50)
    assert found.ticks[0] == pytest.approx(found.low)
    assert found.ticks[-1] == pytest.approx(found.high)


def test_infinite_values_stand_at_the_axis_end_and_are_counted() -> None:
    drawn = str(plots.histogram(np.array([1.0, 2.0, 3.0, -100.0, -100.0]), label="x", mean=None))
    assert "2 further left" in drawn
    assert sum(map(int, re.findall(r" to [-.\d]+: (\d+) quer", drawn))) == 5


def test_many_queries_in_one_bar_fit_the_axis() -> None:
    drawn = str(plots.histogram(np.zeros(150), label="x", mean=0.0))
    assert "150 queries" in drawn
    ticks = [int(one) for one in re.findall(r'class="tick end"[^>]*>(\d+)<', drawn)]
    assert (min(ticks), max(ticks)) == (0, 150)


def test_bars_are_ordered_with_their_intervals() -> None:
    cells = {
        "<low>": Cell(mean=-1.0, ci_low=-2.0, ci_high=0.5, n=3),
        "high": Cell(mean=4.0, ci_low=None, ci_high=None, n=3),
        "none": Cell(mean=None, ci_low=None, ci_high=None, n=0),
    }
    drawn = str(plots.bars(cells, label="SI-SDRi (dB)"))
    assert drawn.index("high: 4.00") < drawn.index("&lt;low&gt;: -1.00")
    assert "none" not in drawn.replace("too few targets", "")
    assert drawn.count('class="whisker"') == 1
    assert "nothing to draw" in plots.bars({}, label="x")


Box = tuple[float, float, float, float]


class Drawing:
    """A plot as a browser lays it out: boxes (left, top, right, bottom) in its own units.

    Sizes and anchors come from the page's style sheet, widths from DejaVu Sans, which
    is wider than what browsers have.
    """

    def __init__(self, svg: str) -> None:
        style = Path(plots.__file__).with_name("templates").joinpath("report.css").read_text()
        size = float(re.search(r"^svg \{.*font-size: ([\d.]+)px", style, re.M)[1])  # type: ignore[index]
        self._anchors = dict(re.findall(r"^svg \.(\w+) \{.*text-anchor: (\w+)", style, re.M))
        path = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
        self._font = ImageFont.truetype(path, size)
        root = ElementTree.fromstring(svg)
        self.view: Box = tuple(map(float, root.attrib["viewBox"].split()))  # type: ignore[assignment]
        self.texts = [(str(one.text), self._text(one)) for one in root.iter("text") if one.text]
        self.marks = [box for one in root.iter() for box in self._mark(one)]

    def _text(self, one: ElementTree.Element) -> Box:
        left, top, right, bottom = self._font.getbbox(str(one.text), anchor="ls")
        classes = one.attrib["class"].split()
        anchor = next((self._anchors[name] for name in classes if name in self._anchors), "start")
        shift = {"start": 0.0, "middle": (left + right) / 2, "end": right}[anchor]
        left, right = left - shift, right - shift
        if "transform" in one.attrib:
            numbers = re.fullmatch(
                r"translate\(([-\d.]+) ([-\d.]+)\) rotate\(-90\)", one.attrib["transform"]
            )
            assert numbers is not None
            x, y = map(float, numbers.groups())
            return x + top, y - right, x + bottom, y - left
        x, y = float(one.attrib["x"]), float(one.attrib["y"])
        return x + left, y + top, x + right, y + bottom

    @staticmethod
    def _mark(one: ElementTree.Element) -> Iterator[Box]:
        def numbers(*names: str) -> list[float]:
            return [float(one.attrib[name]) for name in names]

        if one.tag == "rect":
            x, y, width, height = numbers("x", "y", "width", "height")
            yield x, y, x + width, y + height
        elif one.tag == "circle":
            x, y, r = numbers("cx", "cy", "r")
            yield x - r, y - r, x + r, y + r
        elif one.tag == "line":
            x1, y1, x2, y2 = numbers("x1", "y1", "x2", "y2")
            if one.attrib["class"] == "axis" or x1 == x2:  # not the grid, not the diagonal
                yield min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
        elif one.tag == "path":
            low, high, y = map(float, re.match(r"M([-\d.]+) ([-\d.]+)H([-\d.]+)", one.attrib["d"])
                               .group(1, 3, 2))  # type: ignore[union-attr]  # fmt: skip
            yield low, y - 4, high, y + 4


def apart(one: Box, other: Box) -> bool:
    return (
        one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    )  # fmt: skip


def plots_of_a_result() -> dict[str, Markup]:
    """Each plot with what stretches it: infinite values, three digits, long names, minus signs."""
    generator = np.random.default_rng(0)
    gains = np.concatenate([generator.normal(4, 6, 1000), np.full(30, -100.0), np.full(9, 100.0)])
    points = [plots.Point(x, np.clip(x + gain, -100, 100), "q", gain < 0) for x, gain in zip(
        generator.normal(0, 6, gains.size), gains, strict=True)]  # fmt: skip
    names = ("dog", "Vehicle horn, car horn, honking", "Female singing, child singing", "rain")
    cells = {
        name: Cell(mean=mean, ci_low=mean - 3, ci_high=mean + 4, n=20)
        for name, mean in zip(names, (16.0, 4.5, -0.25, -10.5), strict=True)
    }
    label = "SI-SDR improvement (dB)"
    return {
        "histogram": plots.histogram(gains, label=label, mean=4.1),
        "scatter": plots.scatter(points, x_label="mixture (dB)", y_label="estimate (dB)"),
        "bars": plots.bars(cells, label=label),
        "bars, none negative": plots.bars({"dog": cells["dog"]}, label=label),
    }


@pytest.mark.parametrize("kind", list(plots_of_a_result()))
def test_nothing_in_a_plot_is_cut_off_or_written_over(kind: str) -> None:
    drawn = Drawing(str(plots_of_a_result()[kind]))
    left, top, right, bottom = drawn.view
    for what, box in [*drawn.texts, *(("a mark", mark) for mark in drawn.marks)]:
        inside = left <= box[0] and top <= box[1] and box[2] <= right and box[3] <= bottom
        assert inside, f"{what!r} sticks out: {box} of {drawn.view}"
    for (one, here), (other, there) in itertools.combinations(drawn.texts, 2):
        assert apart(here, there), f"{one!r} and {other!r} overlap: {here}, {there}"
    for text, box in drawn.texts:
        for mark in drawn.marks:
            assert apart(box, mark), f"{text!r} at {box} overlaps a mark at {mark}"


# --- sounds and pictures ----------------------------------------------------


def test_a_sound_is_decoded_back() -> None:
    time = np.arange(8000) / 8000
    tone = (0.5 * np.sin(2 * np.pi * 500 * time)).astype(np.float32)
    for rate, kind in ((8000, "audio/mpeg"), (7000, "audio/flac")):
        address = sound(tone, rate, gain=1.0)
        head, data = address.split(",", 1)
        assert head == f"data:{kind};base64"
        samples, read_rate = soundfile.read(io.BytesIO(base64.b64decode(data)))
        assert read_rate == rate
        spectrum = np.abs(np.fft.rfft(samples[:7000]))
        assert np.argmax(spectrum) * rate / 7000 == pytest.approx(500 * rate / 8000, abs=2)
        assert np.sqrt(np.mean(samples[1000:6000] ** 2)) == pytest.approx(0.3536, rel=0.05)


def test_one_gain_keeps_sounds_as_loud_as_they_are_to_each_other(text: str, suite: Suite) -> None:
    query_id = re.findall(r"<code>(shown-\d+)</code>", text)[0]
    rendered = suite.render(suite.queries[query_id].mixture_id)
    signals = [rendered.mixture, rendered.target, halved(rendered.mixture, "", 0)]
    gain = 0.97 / max(np.abs(one).max() for one in signals)
    for one, signal in zip(Page(text).all("audio")[:3], signals, strict=True):
        data = base64.b64decode(str(one["src"]).split(",")[1])
        heard, _ = soundfile.read(io.BytesIO(data))
        # MP3 is not exact, and its noise is well below.
        assert np.std(heard) == pytest.approx(gain * np.std(signal), rel=0.1)


def test_the_pictures_of_a_query_are_on_its_mixtures_scale(text: str, suite: Suite) -> None:
    from PIL import Image

    shades, levels = [], []
    for one in Page(text).all("img"):
        image = Image.open(io.BytesIO(base64.b64decode(str(one["src"]).split(",")[1])))
        assert image.size == (WIDTH, HEIGHT)
        shades.append(int(np.asarray(image).max()))
    for query_id in re.findall(r"<code>(shown-\d+)</code>", text):
        rendered = suite.render(suite.queries[query_id].mixture_id)
        signals = [rendered.mixture, rendered.target, halved(rendered.mixture, "", 0)]
        loudest = [level_db(samples, 8000, rows=HEIGHT).max() for samples in signals]
        levels += [level - loudest[0] for level in loudest]
    # 256 colours over 80 dB; a frame between two pixels loses some of its level.
    assert shades == pytest.approx([255 + level * 255 / 80 for level in levels], abs=8)
    assert np.ptp(levels) > 6


@pytest.mark.browser
def test_a_browser_shows_it_without_a_complaint_or_a_request(text: str, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here: apt-get install chromium")
    (tmp_path / "page.html").write_text(text)
    complaints: list[str] = []
    requests: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto((tmp_path / "page.html").as_uri())
        width = page.evaluate("document.documentElement.scrollWidth")
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        playable = page.evaluate(
            """async () => { const a = document.querySelector('audio'); a.preload = 'auto';
            a.load(); await new Promise(done => a.oncanplay = done); return a.duration; }"""
        )
        browser.close()
    assert complaints == []
    assert [one for one in requests if not one.startswith(("file:", "data:"))] == []
    assert width == 390  # nothing sticks out on a phone
    assert paper == "rgb(20, 24, 27)"  # dark where the reader asks for dark
    assert playable == pytest.approx(1.0, abs=0.2)

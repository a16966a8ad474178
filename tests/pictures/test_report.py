"""The report page: self-contained, escaped, and showing what the rows say."""

from __future__ import annotations

import base64
import dataclasses
import io
import itertools
import re
import shutil
import warnings
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
from lassbench.scores.comparison import table_of
from lassbench.scores.score import score_folders
from lassbench.scores.score_file import Scores
from lassbench.scores.summary import Cell
from lassbench.suites import audit, freezing
from lassbench.suites.suite import Suite
from lassbench.systems.predictions import SystemFile, write_system
from lassbench.systems.run import separate_suite

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
    separate_suite(halved, suite, out)
    write_system(out, SystemFile(name=NASTY, authors="<b>", trained_on=("<u>",)))
    return out


@pytest.fixture(scope="module")
def scored(suite: Suite, folder: Path) -> Scores:
    return score_folders([folder], suite, workers=1)[0]


@pytest.fixture(scope="module")
def text(
    suite: Suite, folder: Path, scored: Scores, tmp_path_factory: pytest.TempPathFactory
) -> str:
    out = tmp_path_factory.mktemp("report")
    path = write_report(out, scored, suite, folder, lines=table_of([scored]))
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
    drawings = [Drawing(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.S)]
    points = [mark for one in drawings for mark in one.marks if mark.kind == "circle"]
    assert len(points) == len(scored.rows)
    ids = {point.title.split(":")[0]: point.fill for point in points}
    wrong = {row["query_id"]: row["wrong_source"] for row in scored.rows.to_dict("records")}
    assert ids == {name: f"var(--{'worse' if wrong[name] else 'bar'})" for name in wrong}
    titles = [mark.title for one in drawings for mark in one.marks]
    counts = [re.fullmatch(r"-?[\d.]+ to -?[\d.]+: (\d+) quer(y|ies)", one) for one in titles]
    assert sum(int(one[1]) for one in counts if one) == len(scored.rows)
    for concept in scored.summary.by("concept"):
        assert [one for one in titles if one.startswith(f"{concept}: ")]


def test_others_names_stand_below_the_table_of_systems(text: str) -> None:
    below = text.split("<h2>Beside other systems")[1].split("</table>")[1]
    assert "SDRi: the SDRi of CLAPSep; " in below
    assert "SNRi: the SDRi of AudioSep, DCASE 2024 Task 9, FlowSep and Hive.</p>" in below


def test_the_best_and_the_worst_are_shown_in_order(text: str, scored: Scores) -> None:
    rows = sorted(
        scored.rows.to_dict("records"), key=lambda row: (-row["si_sdr_i"], row["query_id"])
    )
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
    again = write_report(tmp_path, scored, suite, folder, lines=table_of([scored]))
    assert again.read_text() == text
    assert again.name == f"{name_of(NASTY)}.html"


def test_marks_of_synthetic_and_partial_results(
    text: str, suite: Suite, folder: Path, tmp_path: Path
) -> None:
    assert "synthetic sounds" in text
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    for path in sorted(copy.glob("*.wav"))[:3]:
        path.unlink()
    found = score_folders([copy], suite, workers=1, allow_partial=True)[0]
    assert "partial result" in write_report(tmp_path, found, suite, copy).read_text()


def test_an_absent_suite_has_its_own_page(tiny_dataset: Dataset, tmp_path: Path) -> None:
    plan = freezing.plan_separation(tiny_dataset, name="base", noises=1)
    absent = freezing.plan_silence(plan, name="gone")
    frozen = freezing.freeze(absent, tiny_dataset, tmp_path / "gone", export_audio=False)
    separate_suite(halved, frozen, tmp_path / "out")
    found = score_folders([tmp_path / "out"], frozen, workers=1)[0]
    lines = table_of([found, dataclasses.replace(found, rows=found.rows.copy())])
    page = Page(write_report(tmp_path, found, frozen, tmp_path / "out", lines=lines).read_text())
    assert "attenuation" in page.words
    assert not any("SDRi of" in words for words in page.words)
    assert not page.all("circle")
    assert len(page.all("audio")) == 20 * 2  # mixture and estimate: there is no target


# --- plots ------------------------------------------------------------------


Box = tuple[float, float, float, float]
FONT = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"


@dataclasses.dataclass(frozen=True)
class Mark:
    """A path, circle or text: its box (left, top, right, bottom) in the drawing's units."""

    kind: str
    box: Box
    look: dict[str, str]
    title: str
    text: str = ""

    @property
    def fill(self) -> str:
        return self.look["fill"]


class Drawing:
    """A plot as a browser lays it out, in DejaVu Sans, which is wider than what browsers have."""

    def __init__(self, svg: str) -> None:
        root = ElementTree.fromstring(svg)
        self.view: Box = tuple(map(float, root.attrib["viewBox"].split()))  # type: ignore[assignment]
        self._font = ImageFont.truetype(FONT, plots.TEXT)
        found = [self._mark(one, dict(group.attrib)) for group in root for one in group]
        self.texts = [one for one in found if one.kind == "text"]
        self.marks = [one for one in found if one.kind != "text"]

    def _mark(self, one: ElementTree.Element, look: dict[str, str]) -> Mark:
        title, text = one.findtext("title") or "", ""
        if one.tag == "path":
            corners = re.findall(r"([-\d.]+) ([-\d.]+)", one.attrib["d"])
            x, y = np.array(corners, dtype=float).T
            box = x.min(), y.min(), x.max(), y.max()
        elif one.tag == "circle":
            x, y, r = (float(one.attrib[name]) for name in ("cx", "cy", "r"))
            box = x - r, y - r, x + r, y + r
        else:
            text = str(one.text)
            left, top, right, bottom = self._font.getbbox(text, anchor="ls")
            shift = {"start": left, "middle": (left + right) / 2, "end": right}
            left, right = (end - shift[look.get("text-anchor", "start")] for end in (left, right))
            turn, *at = map(float, re.findall(r"[-\d.]+", one.attrib["transform"]))
            x, y = float(one.attrib["x"]), float(one.attrib["y"])
            assert at == [x, y]
            assert turn in (0, -90)
            box = (x + left, y + top, x + right, y + bottom)
            if turn:
                box = (x + top, y - right, x + bottom, y - left)
        return Mark(one.tag, box, look, title, text)

    def titled(self, title: str) -> list[Mark]:
        return [one for one in self.marks if one.title.startswith(title)]

    def ticks(self, anchor: str) -> list[tuple[float, Mark]]:
        """The numbers under the plot ("middle") or left of it ("end")."""
        return [
            (float(one.text.replace("\N{MINUS SIGN}", "-")), one)
            for one in self.texts
            if one.look.get("text-anchor") == anchor
            and re.fullmatch("\N{MINUS SIGN}?[\\d.]+", one.text)
        ]

    def x(self, pixel: float) -> float:
        """The value of ``pixel``, by the ticks."""
        ticks = self.ticks("middle")
        values = [value for value, _ in ticks]
        middles = [(one.box[0] + one.box[2]) / 2 for _, one in ticks]
        return float(np.polyval(np.polyfit(middles, values, 1), pixel))

    def y(self, pixel: float) -> float:
        """The value of ``pixel``, by the lines of the grid and their numbers."""
        lines = [one.box[1] for one in self.marks if one.look.get("stroke") == "var(--line)"]
        values = [value for value, _ in self.ticks("end")]
        return float(np.polyval(np.polyfit(lines, values, 1), pixel))


def apart(one: Box, other: Box) -> bool:
    return (
        one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "ends"),
    [
        (0.3, 13.0, (0.0, 14.0)),
        (-3.2, 41.0, (-10.0, 50.0)),
        (5.0, 5.0, (4.0, 6.0)),
        (0.012, 0.034, (0.01, 0.035)),
        (-100.0, -100.0, (-101.0, -99.0)),
    ],
)
def test_points_stand_where_round_ticks_say(
    low: float, high: float, ends: tuple[float, float]
) -> None:
    values = [(low, high), (high, low), (low, low), (high, high)]
    x, y = np.array([*values, (np.nan, 0.0)]).T
    titles, wrong = [*"0123", "undefined"], np.zeros(5, bool)
    drawn = Drawing(str(plots.scatter(x, y, wrong, titles, x_label="x", y_label="y")))
    for anchor in ("middle", "end"):
        ticks = [value for value, _ in drawn.ticks(anchor)]
        assert (ticks[0], ticks[-1]) == pytest.approx(ends)
        assert np.diff(ticks) == pytest.approx(np.diff(ticks)[0])
    circles = {one.title: one.box for one in drawn.marks if one.kind == "circle"}
    assert sorted(circles) == ["0", "1", "2", "3"]
    for number, (x, y) in enumerate(values):
        left, top, right, bottom = circles[str(number)]
        found = drawn.x((left + right) / 2), drawn.y((top + bottom) / 2)
        # The middle of a number is known to a pixel.
        assert found == pytest.approx((x, y), abs=0.005 * (ends[1] - ends[0]))


def test_infinite_values_stand_at_the_axis_end_and_are_counted() -> None:
    drawn = Drawing(
        str(plots.histogram(np.array([1.0, 2.0, 3.0, -100.0, -100.0]), label="x", mean=None))
    )
    assert "2 further left" in [one.text for one in drawn.texts]
    counts = {one.title.split(": ")[0]: one for one in drawn.marks if "quer" in one.title}
    assert sum(int(one.title.split()[3]) for one in counts.values()) == 5
    assert [one.fill for one in counts.values() if "2 queries" in one.title] == ["var(--bar)"]
    values = [(0.0, 0.0), (1.0, 3.0), (-100.0, 1.0), (2.0, 100.0), (2.0, -100.0), (1.0, -100.0)]
    x, y = np.array(values).T
    drawn = Drawing(str(plots.scatter(x, y, np.zeros(6, bool), [""] * 6, x_label="x", y_label="y")))
    assert "1 further left, 2 further below, 1 further above" in [one.text for one in drawn.texts]
    assert [value for value, _ in drawn.ticks("middle")][-1] == 2.0
    middles = [(one.box[1] + one.box[3]) / 2 for one in drawn.marks if one.kind == "circle"]
    assert [round(drawn.y(one), 2) for one in middles] == [0, 3, 1, 3, 0, 0]


def test_a_histogram_counts_from_zero() -> None:
    """Also more queries than the policy's limit in dB; and no change is not worse."""
    drawn = Drawing(str(plots.histogram(np.zeros(150), label="x", mean=0.0)))
    (bar,) = (one for one in drawn.marks if one.title.endswith("150 queries"))
    assert [drawn.y(bar.box[3]), drawn.y(bar.box[1])] == pytest.approx([0, 150], abs=0.01)
    assert bar.fill == "var(--bar)"
    assert drawn.ticks("end")[-1][0] >= 150
    for low, high in ((-0.05, 0.1), (-0.05, 0.45), (-3.0, 7.0)):
        values = np.array([low, 0.0, 0.0, high])
        drawn = Drawing(str(plots.histogram(values, label="x", mean=0.0)))
        (zeros,) = (one for one in drawn.marks if one.title.endswith(": 2 queries"))
        assert zeros.title.startswith("0.0 to ")
        worse = [one.title for one in drawn.marks if one.look.get("fill") == "var(--worse)"]
        assert [one.split(": ")[1] for one in worse] == ["1 query"]
    zero, mean = drawn.titled("no change")[0], drawn.titled("mean 0.00")[0]
    assert zero.box == mean.box
    assert "stroke-dasharray" in mean.look
    assert "stroke-dasharray" not in zero.look


def test_bars_are_ordered_with_their_intervals() -> None:
    cells = {
        "<low>": Cell(mean=-1.0, ci_low=-2.0, ci_high=0.5, n=3, targets=3),
        "high": Cell(mean=4.0, ci_low=None, ci_high=None, n=3, targets=3),
        "lost": Cell(mean=-100.0, ci_low=None, ci_high=None, n=1, targets=1),
        "none": Cell(mean=None, ci_low=None, ci_high=None, n=0, targets=0),
    }
    drawn = Drawing(str(plots.bars(cells, label="SI-SDRi (dB)")))
    (high,) = drawn.titled("high: 4.00, too few targets for an interval, 3 queries")
    (lost,) = drawn.titled("lost: -100.00, too few targets for an interval, 1 queries")
    bar, whisker = drawn.titled("<low>: -1.00, 95 % interval -2.00 to 0.50, 3 queries")
    assert high.box[3] < bar.box[1] < bar.box[3] < lost.box[1]
    for mark, ends in ((high, (0, 4)), (bar, (-1, 0)), (whisker, (-2, 0.5)), (lost, (-100, 0))):
        assert [drawn.x(mark.box[0]), drawn.x(mark.box[2])] == pytest.approx(ends, abs=0.5)
    assert [one.fill for one in (high, bar)] == ["var(--bar)", "var(--worse)"]
    assert not drawn.titled("none")
    assert "nothing to draw" in plots.bars({}, label="x")


def test_a_plot_is_its_data_and_nothing_else() -> None:
    """No address, no style, no mathematics, no warning, whatever a matplotlibrc says."""
    name = '$x$ <b>"雨"&\x0b\n]]>'
    cells = {name: Cell(mean=1.0, ci_low=0.5, ci_high=1.5, n=3, targets=3)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = str(plots.bars(cells, label="x"))
    with matplotlib.rc_context({"font.size": 30, "axes.labelpad": 40, "svg.fonttype": "path"}):
        assert plots.bars(cells, label="x") == drawn
        assert matplotlib.rcParams["font.size"] == 30
    shown = r'$x$ <b>"雨"&\x0b\n]]>'
    assert Drawing(drawn).titled(f"{shown}: 1.00")
    assert f"{shown}\N{EN SPACE}1.0" in [one.text for one in Drawing(drawn).texts]
    tags = Page(drawn).tags
    assert {tag for tag, _ in tags} == {"svg", "g", "path", "text", "title"}
    used = {attribute for _, attributes in tags for attribute in attributes}
    assert {one for one in used if not one.startswith("stroke")} == {
        *("viewbox", "role", "aria-label", "fill", "d", "x", "y", "transform", "text-anchor")
    }
    assert not re.search(r"xmlns|<!|<\?|#", drawn)


def plots_of_a_result() -> dict[str, Markup]:
    """Each plot with what stretches it: infinite values, three digits, long names, minus signs."""
    generator = np.random.default_rng(0)
    gains = np.concatenate([generator.normal(4, 6, 1000), np.full(30, -100.0), np.full(9, 100.0)])
    before = generator.normal(0, 6, gains.size)
    after = np.where(np.abs(gains) < 100, before + gains, gains)
    names = ("dog", "Vehicle horn, car horn, honking", "Female singing, child singing", "rain")
    cells = {
        name: Cell(mean=mean, ci_low=mean - 3, ci_high=mean + 4, n=20, targets=20)
        for name, mean in zip(names, (16.0, 4.5, -0.25, -10.5), strict=True)
    }
    label = "SI-SDR improvement (dB)"
    return {
        "histogram": plots.histogram(gains, label=label, mean=4.1),
        "scatter": plots.scatter(
            before, after, after < before, ["q"] * gains.size,
            x_label="mixture (dB)", y_label="estimate (dB)",
        ),
        "bars": plots.bars(cells, label=label),
        "bars, none negative": plots.bars({"dog": cells["dog"]}, label=label),
    }  # fmt: skip


@pytest.mark.parametrize("kind", list(plots_of_a_result()))
def test_nothing_in_a_plot_is_cut_off_or_written_over(kind: str) -> None:
    style = Path(plots.__file__).with_name("templates").joinpath("report.css").read_text()
    assert re.findall(r"^svg \{.*font-size: (\d+)px", style, re.M) == [str(plots.TEXT)]
    drawn = Drawing(str(plots_of_a_result()[kind]))
    left, top, right, bottom = drawn.view
    for one in [*drawn.texts, *drawn.marks]:
        box = one.box
        inside = left <= box[0] and top <= box[1] and box[2] <= right and box[3] <= bottom
        assert inside, f"{one} sticks out of {drawn.view}"
    for one, other in itertools.combinations(drawn.texts, 2):
        assert apart(one.box, other.box), f"{one} and {other} overlap"
    # Neither the grid nor the diagonal.
    solid = [one for one in drawn.marks if one.title or "stroke-dasharray" not in one.look]
    solid = [one for one in solid if one.look.get("stroke") != "var(--line)"]
    assert len(solid) > 3
    for text, mark in itertools.product(drawn.texts, solid):
        assert apart(text.box, mark.box), f"{text} overlaps {mark}"


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
        colour = page.evaluate("getComputedStyle(document.querySelector('circle')).fill")
        playable = page.evaluate(
            """async () => { const a = document.querySelector('audio'); a.preload = 'auto';
            a.load(); await new Promise(done => a.oncanplay = done); return a.duration; }"""
        )
        browser.close()
    assert complaints == []
    assert [one for one in requests if not one.startswith(("file:", "data:"))] == []
    assert width == 390  # nothing sticks out on a phone
    assert paper == "rgb(20, 24, 27)"  # dark where the reader asks for dark
    assert colour == "rgb(75, 179, 184)"  # and the plots follow
    assert playable == pytest.approx(1.0, abs=0.2)

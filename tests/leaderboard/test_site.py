"""The site as files: what is in it, what never is, and what it is replaced over."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markupsafe import escape

from lassbench.errors import FaultsError, UsageError
from lassbench.leaderboard.building import build
from lassbench.leaderboard.checks import read_leaderboard
from lassbench.leaderboard.site.values import interval, number, script
from lassbench.scores.rows import METRICS
from tests.leaderboard import made, sounds

SHIPPED = Path(__file__).resolve().parents[2] / "leaderboard"


class Links(HTMLParser):
    """Every address a page names, and every element that runs or styles something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[tuple[str, str, str]] = []
        self.inline: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        for name in ("href", "src"):
            if name in found:
                self.addresses.append((tag, name, found[name]))
        self.inline += [f"{tag} {name}" for name in found if name.startswith("on")]
        self.inline += [f"{tag} style"] if "style" in found or tag == "style" else []
        self.inline += ["script"] if tag == "script" and "src" not in found else []
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"]


@pytest.fixture(scope="module")
def site(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    root = Path(shutil.copytree(filled, place / "leaderboard"))
    sounds.export(root)
    build(root, site=place / "site")
    return place / "site"


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_every_local_link_leads_somewhere(site: Path) -> None:
    for page in pages(site):
        parser = Links(page.read_text())
        for tag, _, address in parser.addresses:
            parts = urlsplit(address)
            if parts.scheme:
                assert tag == "a", f"{page}: {address}"
                continue
            if parts.path:
                target = (page.parent / unquote(parts.path)).resolve()
                assert target.is_file(), f"{page}: {address}"
                assert site.resolve() in target.parents


def test_no_page_holds_inline_code_and_all_have_a_policy(site: Path) -> None:
    for page in pages(site):
        parser = Links(page.read_text())
        assert parser.inline == [], page
        assert "default-src 'none'" in parser.policy
        assert "unsafe" not in parser.policy


def test_scripts_and_styles_name_no_other_host(site: Path) -> None:
    for path in (site / "assets").iterdir():
        text = path.read_text()
        found = set(re.findall(r"https?://[^\s\"']+", text)) - {"http://www.w3.org/2000/svg"}
        assert not found, f"{path}: {found}"
        assert "@import" not in text
        assert "eval(" not in text
        assert "innerHTML" not in text


def test_data_files_are_valid_calls(site: Path) -> None:
    for path in site.rglob("data/*.js"):
        found = re.fullmatch(r'lassbench\.take\(("[^"]+"),(.*)\);\n', path.read_text(), re.DOTALL)
        assert found, path
        json.loads(found[1])
        json.loads(found[2])


def test_data_cannot_end_a_script() -> None:
    text = script("x", {"a": "</script><!-- & \u2028"})
    assert "</" not in text
    assert "<!--" not in text
    assert text.isascii()


def test_synthetic_and_templated_suites_are_labelled_on_every_page(site: Path) -> None:
    for page in pages(site / "suites" / "made-test"):
        text = page.read_text()
        assert '<span class="badge warn">synthetic</span>' in text, page
        assert "templated queries" in text, page
    real = (site / "suites" / "made-asked" / "index.html").read_text()
    assert "real recordings" in real
    assert "badge warn" not in real


def test_even_text_that_slipped_through_is_escaped(filled: Path, tmp_path: Path) -> None:
    """The second lock: checks left aside, templates escape what they are given."""
    from lassbench.leaderboard.entries import Leaderboard, SiteCard
    from lassbench.leaderboard.ranking import standings
    from lassbench.leaderboard.site.pages import build_site

    board = read_leaderboard(filled)
    first = board.entries["made-test"][0]
    nasty = "<script>alert(1)</script>\"'><img src=x>"
    system = first.entry.system.model_copy(update={"name": nasty, "description": nasty})
    changed = replace(first, entry=first.entry.model_copy(update={"system": system}))
    entries = {"made-test": [changed, *board.entries["made-test"][1:]]}
    card = board.suites["made-test"]
    bad = Leaderboard(filled, {"made-test": card}, entries, [], SiteCard())
    table = standings(card, entries["made-test"])
    build_site(bad, [table], tmp_path / "site", texts={}, listening={})
    for page in (tmp_path / "site").rglob("*.html"):
        parser = Links(page.read_text())
        assert parser.inline == []
        assert not any(address == "x" for _, _, address in parser.addresses)
    for data in (tmp_path / "site").rglob("data/*.js"):
        assert "<" not in data.read_text()


def test_a_suite_with_annotators_says_how_much_the_asker_matters(site: Path) -> None:
    page = (site / "suites" / "made-asked" / "systems" / "lass-net.html").read_text()
    assert "between 5 annotators" in page


def test_what_has_to_be_known_of_a_system_stands_beside_its_name(tmp_path: Path) -> None:
    suite = made.suite_info("lass-made")
    said = {"trained_on": ("AudioCaps train",), "generative": True}
    heard = made.make_scores("Heard", suite=suite, system=said)
    made.add(tmp_path / "board", heard, made.make_scores("Plain", suite=suite, seed=1))
    build(tmp_path / "board", site=tmp_path / "site")
    page = (tmp_path / "site" / "suites" / "lass-made" / "index.html").read_text()
    row = {
        slug: page.split(f'data-slug="{slug}"')[1].split("</tr>")[0] for slug in ("heard", "plain")
    }
    for badge, words in (("saw test audio", "195 of its 200"), ("generative", "loses the phase")):
        assert re.search(f'title="[^"]*{words}[^"]*">{badge}', row["heard"])
        assert badge not in row["plain"]
    table = (tmp_path / "board" / "tables" / "lass-made.md").read_text()
    assert "Heard \\[1,2\\]" in table
    assert "\\[2\\] Generative" in table


def linked(text: str, label: str) -> str:
    """Where the link called ``label`` leads."""
    [address] = set(re.findall(rf'<a href="([^"]*)"[^>]*>{re.escape(label)}</a>', text))
    return str(address)


@pytest.mark.parametrize("repository", ["", "https://git.example.org/us/board.git"])
def test_every_page_says_where_to_send_entries_and_what_to_cite(
    board: Path, tmp_path: Path, repository: str
) -> None:
    cite = ["@inproceedings{a,", "  title = {A <b> & {C}}", "}"]
    card = {"repository": repository, "cite": cite, "links": {"The paper": "https://example.org/p"}}
    (board / "site.json").write_text(json.dumps(card))
    build(board, site=tmp_path / "site")
    for page in pages(tmp_path / "site"):
        text = page.read_text()
        assert linked(text, "The paper") == "https://example.org/p"
        for label in ("Taking part", "How to cite"):
            path, _, place = linked(text, label).partition("#")
            target = (page.parent / path).resolve()
            assert target == (tmp_path / "site" / "taking-part.html").resolve()
            assert not place or f'id="{place}"' in target.read_text()
        if repository:
            assert linked(text, "Repository") == repository
    text = (tmp_path / "site" / "taking-part.html").read_text()
    assert "\n".join(str(escape(line)) for line in cite) in text
    assert "SUBMITTING.md" in text
    if repository:
        assert linked(text, "pull request") == "https://git.example.org/us/board/pulls"
    else:
        assert "Open a pull request in the repository that this leaderboard came from" in text


def test_without_a_card_the_site_says_nothing_of_citing(site: Path) -> None:
    assert "How to cite" not in (site / "taking-part.html").read_text()


def test_headings_say_what_a_page_is_and_the_title_of_the_suite_stands_above(site: Path) -> None:
    """The suite's own title may be a sentence: it is no part of a heading."""
    suite = "Made-up suite made-test"
    expected = {
        "compare.html": "Compare two systems",
        "listen.html": "Listen",
        "systems/lass-net.html": "LASS-Net",
    }
    for name, heading in expected.items():
        page = site / "suites" / "made-test" / name
        text = page.read_text()
        assert re.findall("<h1>(.*)</h1>", text) == [heading]
        assert re.findall("<title>(.*)</title>", text) == [
            f"{heading} \u2013 {suite} \u2013 lassbench"
        ]
        above = text[: text.index("<h1>")]
        crumb = page.parent / linked(above, suite)
        assert crumb.resolve() == (site / "suites" / "made-test" / "index.html").resolve()


def test_what_is_reported_names_its_definition_and_its_average(board: Path, tmp_path: Path) -> None:
    (board / "reported").mkdir()
    for name in ("audiosep.json", "dcase2024-task9-baseline.json"):
        shutil.copy(SHIPPED / "reported" / name, board / "reported" / name)
    build(board, site=tmp_path / "site")
    page = (tmp_path / "site" / "reported.html").read_text()
    about = (tmp_path / "site" / "about.html").read_text()
    table = (board / "tables" / "README.md").read_text()
    found = read_leaderboard(board).reported
    assert len(found) == 2
    for one in found:
        for name, its in one.metrics.items():
            ours = METRICS[its.metric]
            link = f'is our <a href="about.html#{its.metric}">{ours.title}</a>'
            told = f"{escape(ours.definition)}.<br>In the source: {escape(its.definition)}."
            assert f"<dt>{name}</dt><dd>{link}: {told}</dd>" in page
            assert f'<div id="{its.metric}">' in about
            assert f"{name} is our {ours.title}: " in table
        assert linked(page, one.source_title) == one.source_url
        for row in one.rows:
            assert f'<td class="words">{escape(row.average)}</td>' in page
            assert f"| {row.average} |" in table


def test_an_empty_suite_says_how_to_fill_it_and_stands_last(board: Path, tmp_path: Path) -> None:
    card = json.loads((board / "suites" / "made-test.json").read_text())
    card |= {"name": "waiting", "title": "Waiting", "how_to_fill": "Fetch the audio first."}
    card |= {"list_fingerprint": "", "queries": 0, "order": 1}
    (board / "suites" / "waiting.json").write_text(json.dumps(card))
    build(board, site=tmp_path / "site")
    text = (tmp_path / "site" / "suites" / "waiting" / "index.html").read_text()
    assert "Fetch the audio first." in text
    assert "No entry yet" in text
    assert not (tmp_path / "site" / "suites" / "waiting" / "compare.html").exists()
    front = (tmp_path / "site" / "index.html").read_text()
    assert re.findall(r"<h2><a href=\"suites/([^/]*)", front) == [
        *("made-absent", "made-asked", "made-test", "waiting"),
    ]
    tables = (board / "tables" / "README.md").read_text()
    assert re.findall("^### (.*)", tables, re.MULTILINE)[-1] == "Waiting"


def test_a_site_replaces_a_site_and_nothing_else(board: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    build(board, site=place)
    (place / "stale.html").write_text("old")
    build(board, site=place)
    assert not (place / "stale.html").exists()
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.tex").write_text("precious")
    with pytest.raises(UsageError, match="something else than the site"):
        build(board, site=other)
    assert (other / "chapter.tex").read_text() == "precious"


def test_audio_that_may_not_be_published_needs_a_flag(board: Path, tmp_path: Path) -> None:
    sounds.export(board, audio_may_be_published=False)
    build(board, site=tmp_path / "site")
    assert not list((tmp_path / "site").rglob("*.flac"))
    assert not list((tmp_path / "site").rglob("listen.html"))
    build(board, site=tmp_path / "site", unpublished_audio=True)
    assert len(list((tmp_path / "site").rglob("*.flac"))) == 8


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("gone", "is not there"),
        ("nobody's", "has no entry"),
        ("list", "another list of queries"),
    ],
)
def test_faulty_examples_stop_the_build(board: Path, damage: str, words: str) -> None:
    changes = {"list_fingerprint": "ab" * 32} if damage == "list" else {}
    path = sounds.export(board, **changes)
    if damage == "gone":
        (path.parent / "q00000" / "mixture.flac").unlink()
    elif damage == "nobody's":
        path.write_text(path.read_text().replace('"lass-net"', '"nobody"'))
    with pytest.raises(FaultsError, match="examples") as caught:
        build(board, site=board.parent / "site")
    assert words in str(caught.value)
    assert not (board.parent / "site").exists()


def test_numbers_read_well() -> None:
    assert [number(x) for x in (1.005, -0.5, -0.0001, None)] == [
        "1.00",
        "\u22120.50",
        "0.00",
        "\u2013",
    ]
    assert interval(-1, 2.5) == "\u22121.00 to 2.50"
    assert interval(None, None) == ""

"""Text from others: what is refused, and that the rest does nothing in Markdown."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lassbench.plain_text import (
    caption_fault,
    markdown,
    markdown_fence,
    markdown_lines,
    markdown_link,
    text_fault,
    url_fault,
)


def test_descriptions_may_have_lines_and_comparisons() -> None:
    text = "Trained for 3 days.\nTraining data: AudioCaps; loss < 0.1 & rising."
    assert text_fault(text, lines=True) == ""
    assert "U+000A" in text_fault(text)
    assert "markup" in text_fault("see <a href=x>", lines=True)
    assert "markup" in text_fault("a </td> b")
    assert "markup" in text_fault("<!-- -->")


@pytest.mark.parametrize("url", ["https://example.org/a?b=c#d", "http://localhost:8000/x"])
def test_web_addresses_pass(url: str) -> None:
    assert url_fault(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://example.org/x",
        "//example.org",
        "example.org",
        "https://",
        "https://user:pass@example.org",
        'https://example.org/"onmouseover="x',
        "https://example.org/<b>",
        "https://example.org/a b",
        "https://example.org/\n",
        "https://[::1",
        "https://example.org:port/",
        "https://example.org/" + "x" * 3000,
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    assert url_fault(url)


@pytest.mark.parametrize(
    "caption",
    [
        "- a dog barks",
        "=^.^= meows",
        "+1 dog",
        "@ the station",
        "5 < 6 & 7 > 6",
        "犬が吠える",
        "R&B",
    ],
)
def test_what_people_write_in_captions_passes(caption: str) -> None:
    assert caption_fault(caption) == ""


@pytest.mark.parametrize(
    ("caption", "why"),
    [
        ("a dog <script>alert(1)</script>", "markup"),
        ("[a dog](javascript:alert(1))", "script"),
        ("a dog\x1b[2J", "U+001B"),
        ("a dog\nbarks", "U+000A"),
        ("a\u202edog", "U+202E"),
        ("a dog " * 200, "1200 characters"),
    ],
)
def test_what_could_only_break_out_of_its_place_is_no_caption(caption: str, why: str) -> None:
    assert why in caption_fault(caption)


def _texts(path: Path) -> set[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as stream:
        return {cell.strip() for row in csv.reader(stream) for cell in row}


def test_captions_and_labels_that_people_use_pass(shared: Path) -> None:
    found: set[str] = set()
    for path in shared.joinpath("data").rglob("*.csv*"):
        found |= _texts(path)
    assert len(found) > 50_000
    assert {text: fault for text in found if (fault := caption_fault(text))} == {}


# What acts in Markdown: links and pictures, HTML, emphasis, code, tables, headings.
# An underscore between two letters or digits does nothing.
_ACTS = re.compile(r"(?<!\\)(?:\\\\)*([`*{}\[\]<>#|~&!]|(?<![^\W_])_|_(?![^\W_]))")


@given(st.text(max_size=60))
def test_escaped_text_is_shown_as_it_is(text: str) -> None:
    assert not _ACTS.search(markdown(text))
    assert re.sub(r"\\(.)", r"\1", markdown(text), flags=re.DOTALL) == text


@pytest.mark.parametrize("text", ["CC-BY-3.0", "A dog, 3 bells: 10 % (or so)", "see a.org/x-y"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert markdown(text) == markdown_lines(text) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("- item\n  + item", "\\- item\n\\+ item"),
        ("title\n===\nmore\n---", "title\n\\===\nmore\n\\---"),
        ("1. one\n2) two", "1\\. one\n2\\) two"),
        ("# big\n\n    code", "\\# big\n\ncode"),
        ("> said", "\\> said"),
    ],
)
def test_no_line_begins_a_block(text: str, written: str) -> None:
    assert markdown_lines(text) == written


def test_a_link_leads_to_its_address_alone() -> None:
    assert markdown_link("https://a.org/b-c?d=1") == "https://a.org/b-c?d=1"
    assert markdown_link("https://a.org/[x](y)") == "<https://a.org/[x](y)>"


@given(st.text(alphabet="`~ \na", max_size=40))
def test_nothing_ends_a_fence(text: str) -> None:
    first, *inside, last = markdown_fence(text)
    assert first == last
    assert not any(line.strip() == first for line in inside)
    assert all(len(run) < len(first) for line in inside for run in re.findall("`+", line))


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cشنویم که سگ پارس می\u200cکند",  # Persian: letters that do not join
        "क्\u200dष",  # Hindi: letters that do
        "\u200fכלב נובח",
        "မျှော်လင့်ချက်",  # Burmese: four marks on one letter
        "a family laughs \U0001f468\u200d\U0001f469\u200d\U0001f467",
        "noise < 50 Hz, quieter < than before",
        "AC/DC, rock & roll; 3 > 2",
        "- a dog barks",
        "=) and +1 and @home",
    ],
)
def test_captions_of_honest_people(text: str) -> None:
    assert caption_fault(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "a\u200bdog",
        "a\u202edog",
        "a\ufeffdog",
        "e" + "\u0301" * 7,
        "<b>dog</b>",
        "a\ndog",
        "x" * 1001,
    ],
)
def test_captions_of_others(text: str) -> None:
    assert caption_fault(text)

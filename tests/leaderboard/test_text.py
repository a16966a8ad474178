"""Names of systems: what is let through, what is refused, and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lassbench.leaderboard.entries import SiteCard, SuiteCard, name_fault, slug


@pytest.mark.parametrize(
    "name",
    ["LASS-Net", "UNet (tags)", "AudioSep 1.0, tuned", "Système à requêtes", "声音 Net", "3rd"],
)
def test_ordinary_names_pass(name: str) -> None:
    assert name_fault(name) == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("<img src=x onerror=alert(1)>", "markup"),
        ("x & y > z", "holds >"),
        ('=HYPERLINK("http://x.example","y")', "formula"),
        ("+1", "formula"),
        ("-1+1", "formula"),
        ("@SUM(A1)", "formula"),
        ("＝1+1", "formula"),
        (" =1+1", "formula"),
        ("\t=1+1", "control"),
        ("x" * 81, "81 characters"),
        ("a\x00b", "U+0000"),
        ("a\x1b[31mb", "U+001B"),
        ("a\nb", "U+000A"),
        ("abc\u202edcba", "U+202E"),
        ("a\u200bb", "U+200B"),
        ("a\u200db", "invisible"),
        ("a\ufeffb", "U+FEFF"),
        ("e" + "\u0301" * 10, "combining"),
        ("L\u0410SS-Net", "Cyrillic"),
        ("two  spaces", "space"),
        (" leading", "space"),
        ("...", "file name"),
        ("", "file name"),
        ("声音分离", "file name"),
        ("NUL", "reserved"),
        ("a|b", "holds |"),
        ("`rm -rf`", "holds `"),
        ("\\input{x}", "holds"),
        ("$x$", "holds $"),
        ("[x](javascript:alert(1))", "script"),
    ],
)
def test_hostile_names_are_refused(name: str, why: str) -> None:
    assert why in name_fault(name)


def test_slugs_fold_what_looks_alike() -> None:
    assert slug("LASS-Net (large)") == "lass-net-large"
    assert slug("Système à requêtes") == "systeme-a-requetes"
    assert slug("ＬＡＳＳ-Net") == slug("lass-net")
    assert slug("LASS Net") == slug("lass_net").replace("_", "-")


@given(st.text(max_size=200))
def test_whatever_passes_is_safe_in_every_format(text: str) -> None:
    if name_fault(text):
        return
    assert text.isprintable()
    assert not set('<>"`|\\{}$^~\t\r\n') & set(text)
    assert text[0] not in "=+-@"
    assert slug(text).isascii()
    assert "/" not in slug(text)
    assert not slug(text).startswith((".", "-"))


def test_every_text_of_a_record_is_looked_at() -> None:
    card = {"name": "a", "title": "A", "kind": "absent", "synthetic": False, "queries": 1}
    assert SuiteCard.model_validate(card).title == "A"
    for key in ("title", "description", "how_to_fill", "dataset"):
        with pytest.raises(ValidationError, match="markup"):
            SuiteCard.model_validate({**card, key: "<b>x</b>"})
    SuiteCard.model_validate({**card, "description": "two\nlines"})
    with pytest.raises(ValidationError, match="U\\+000A"):
        SuiteCard.model_validate({**card, "title": "two\nlines"})
    with pytest.raises(ValidationError, match="formula"):
        SiteCard.model_validate({"links": {"=1": "https://example.org"}})
    assert SiteCard.model_validate({"cite": ("@misc{a,", "  title = {<b>}", "}")}).cite
    with pytest.raises(ValidationError, match="U\\+202E"):
        SiteCard.model_validate({"cite": ("@misc{a,", "\u202e}")})
    for key in ("repository", "links"):
        address = "javascript:alert(1)"
        with pytest.raises(ValidationError, match="not an http or https address"):
            SiteCard.model_validate({key: address if key == "repository" else {"x": address}})

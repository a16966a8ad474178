"""The dataset's README: what stands in a card or a table does nothing in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lassbench.corpora.base import CorpusCard
from lassbench.dataset import layout
from lassbench.errors import LassbenchError, UsageError
from lassbench.records import Clip
from tests.dataset.made import recordings

ACTING = "<b>x</b> ![p](//t) [a](b) *e* _e_ `c` | c | &lt; # h ~~s~~"
#: Shown as it is: each character that could act has a backslash.
SHOWN = re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", ACTING)


def card(**changes: Any) -> CorpusCard:
    values = {"title": "Dogs", "homepage": "", "licence": "CC-BY-3.0", "citation": ""}
    return CorpusCard("dogs", **{**values, **changes})


def written(card: CorpusCard, concept: str = "dog") -> str:
    clips = [Clip("a", concept, "test", ("a dog",))]
    description = {
        **{"clip_samples": 8000, "sample_rate_hz": 8000, "fingerprint": "f" * 64, "missing": []},
        **{"splits": layout.count_by_split(clips)},
        "shards": [{"path": layout.shard_name("test", 0, 1, "a" * 64)}],
    }
    return layout.readme(card, description)


def test_ordinary_words_stay_as_they_are() -> None:
    text = written(
        card(
            homepage="https://example.org/dogs?a=b-c",
            notes="Recorded in May, at 48 kHz (mono).\n\nSee https://example.org.",
            citation="@article{dogs,\n  title = {Dogs}\n}\n",
        )
    )
    for line in (
        "# Dogs",
        "- Source: https://example.org/dogs?a=b-c",
        "- Licence: CC-BY-3.0",
        "Recorded in May, at 48 kHz (mono).\n\nSee https://example.org.",
        "| dog | 0 | 0 | 1 |",
        "```\n@article{dogs,\n  title = {Dogs}\n}\n```",
    ):
        assert f"\n{line}\n" in text


def test_markup_is_shown_and_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # A title with HTML is refused where a card is made: what was built before is not.
    with monkeypatch.context() as patch:
        patch.setattr(CorpusCard, "__post_init__", lambda self: None)
        hostile = card(
            title=ACTING,
            licence=ACTING,
            notes=f"# {ACTING}\n- {ACTING}\n===\n    code\n1. one",
            citation="```\n<script>alert(1)</script>\n````\n# h",
            homepage="https://example.org/[x](javascript:alert(1))_*a*",
        )
        text = written(hostile, concept=ACTING)
    front, body = text.split("\n---\n", 1)
    assert yaml.safe_load(front)["pretty_name"] == ACTING
    body, citation = body.split("## Citation\n\n")
    lines = body.splitlines()
    assert f"# {SHOWN}" in lines
    assert f"- Licence: {SHOWN}" in lines
    assert f"| {SHOWN} | 0 | 0 | 1 |" in lines
    notes = lines.index(f"\\# {SHOWN}")
    assert lines[notes + 1 : notes + 5] == [f"\\- {SHOWN}", "\\===", "code", "1\\. one"]
    assert "- Source: <https://example.org/[x](javascript:alert(1))_*a*>" in lines
    fence, *_, last = citation.rstrip("\n").split("\n")
    assert (fence, last) == ("`````", "`````")
    assert citation.count("`````") == 2


def test_a_title_and_a_licence_are_one_line() -> None:
    text = written(card(title="Dogs\nand cats\n", licence="free,\n\n for all\n"))
    assert "\n# Dogs and cats\n" in text
    assert "\n- Licence: free, for all\n" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"homepage": "javascript:alert(1)"}, "homepage is not an http or https address"),
        ({"homepage": "see our page"}, "homepage holds spaces"),
        ({"homepage": "ftp://example.org"}, "homepage is not an http"),
        ({"title": "Dogs <script>"}, "title holds markup"),
        ({"title": "=HYPERLINK(1)"}, "title starts with '='"),
        ({"title": "x" * 151}, "title 151 characters"),
        ({"title": 5}, "title is not text"),
        ({"licence": "free\x1b[2J"}, r"licence holds the control or invisible character U\+001B"),
        ({"licence": "x" * 2001}, "licence has 2001 characters"),
        ({"notes": "a\u202eb"}, r"notes holds the control or invisible character U\+202E"),
        ({"notes": "x" * 5001}, "notes has 5001 characters"),
        ({"citation": "a\rb"}, r"citation holds the control or invisible character U\+000D"),
        ({"citation": "x" * 20_001}, "citation has 20001 characters"),
    ],
)
def test_a_card_with_such_text_is_refused_by_the_fields_name(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=f"the corpus's {words}"):
        card(**changes)


def test_a_card_in_a_file_is_refused_too(tmp_path: Path) -> None:
    corpus = recordings(tmp_path / "sounds")
    (tmp_path / "sounds" / "card.yaml").write_text("homepage: javascript:alert(1)\n")
    with pytest.raises(LassbenchError, match=r"card\.yaml: the corpus's homepage is not an http"):
        _ = corpus.card
    value = {
        "name": "a",
        "title": "A",
        "homepage": "data:text/html,x",
        "licence": "",
        "citation": "",
    }
    with pytest.raises(LassbenchError, match=r"dataset\.json: the corpus's homepage") as caught:
        layout.card_from_json(value, tmp_path / "dataset.json")
    assert not isinstance(caught.value, UsageError)

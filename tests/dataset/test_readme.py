"""The dataset's README: what stands in a card or a table does nothing in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lassbench.checked import validate
from lassbench.corpora.base import CorpusCard
from lassbench.dataset import layout
from lassbench.errors import FaultsError
from lassbench.records import Clip
from lassbench.yaml_files import to_yaml
from tests.dataset.made import recordings

ACTING = "<b>x</b> ![p](//t) [a](b) *e* _e_ `c` | c | &lt; # h ~~s~~"
#: Shown as it is: each character that could act has a backslash.
SHOWN = re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", ACTING)


PLAIN = {"name": "dogs", "title": "Dogs", "homepage": "", "licence": "CC-BY-3.0", "citation": ""}


def card(**changes: Any) -> CorpusCard:
    return CorpusCard(**{**PLAIN, **changes})


def written(card: CorpusCard, concept: str = "dog") -> str:
    clips = [Clip("a", concept, "test", ("a dog",))]
    sha = "a" * 64
    shard = layout.Shard(path=layout.shard_name("test", 0, 1, sha), clips=1, bytes=1, sha256=sha)
    description = layout.Description(
        **{"schema_version": 2, "lassbench_version": "0", "name": card.name, "title": card.title},
        **{"corpus": card, "settings": {}, "clip_samples": 8000, "sample_rate_hz": 8000},
        **{"fingerprint": "f" * 64, "missing": (), "clips_sha256": sha},
        splits=layout.count_by_split(clips),
        shards=(shard,),
    )
    return layout.readme(description)


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


def test_markup_is_shown_and_does_nothing() -> None:
    hostile = card(
        licence=ACTING,
        notes=f"# {ACTING}\n- {ACTING}\n===\n    code\n1. one",
        citation="```\n<script>alert(1)</script>\n````\n# h",
        homepage="https://example.org/[x](javascript:alert(1))_*a*",
    )
    # A title with HTML is refused where a card is made: what was built before is not.
    object.__setattr__(hostile, "title", ACTING)
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
        ({"homepage": "javascript:alert(1)"}, "homepage: .* is not an http or https address"),
        ({"homepage": "see our page"}, "homepage: .* holds spaces"),
        ({"homepage": "ftp://example.org"}, "homepage: .* is not an http"),
        ({"title": "Dogs <script>"}, "title: .* holds markup"),
        ({"title": "=HYPERLINK(1)"}, "title: .* starts with '='"),
        ({"title": "x" * 151}, "title: .* 151 characters"),
        ({"title": 5}, "title must be text"),
        ({"licence": "free\x1b[2J"}, r"licence: .* the control or invisible character U\+001B"),
        ({"licence": "x" * 2001}, "licence must be text of at most 2000"),
        ({"notes": "a\u202eb"}, r"notes: .* the control or invisible character U\+202E"),
        ({"notes": "x" * 5001}, "notes must be text of at most 5000"),
        ({"citation": "a\rb"}, r"citation: .* the control or invisible character U\+000D"),
        ({"citation": "x" * 20_001}, "citation must be text of at most 20000"),
        ({"sample_rate_hz": 0}, "sample_rate_hz must be at least 1000, got 0"),
        ({"clip_seconds": 0.0}, "clip_seconds must be at least 0.01, got 0.0"),
        ({"name": "../up"}, "name: '../up' may have letters"),
    ],
)
def test_a_card_that_cannot_be_is_refused_wherever_it_comes_from(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        card(**changes)
    with pytest.raises(FaultsError, match=words):
        validate(CorpusCard, {**PLAIN, **changes}, what="the card cannot be used")
    corpus = recordings(tmp_path / "sounds")
    (tmp_path / "sounds" / "card.yaml").write_text(to_yaml(changes))
    with pytest.raises(FaultsError, match=rf"card\.yaml:1: {words}"):
        _ = corpus.card


@pytest.mark.parametrize("line", ["synthetic: true", "benchmark: lass-2022"])
def test_a_folder_of_recordings_is_neither_synthetic_nor_a_benchmark(
    tmp_path: Path, line: str
) -> None:
    corpus = recordings(tmp_path / "sounds")
    (tmp_path / "sounds" / "card.yaml").write_text(line)
    with pytest.raises(FaultsError, match="not for a folder of recordings to say"):
        _ = corpus.card

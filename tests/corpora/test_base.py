"""What every corpus has to offer."""

from __future__ import annotations

import pytest

from lassbench.corpora import CORPORA, open_corpus
from lassbench.corpora.base import check_clips, read_source
from lassbench.errors import FaultsError, LassbenchError, UsageError
from lassbench.records import Clip, MissingSource


def clip(clip_id: str = "a", **changes: object) -> Clip:
    values: dict[str, object] = {"concept": "dog", "split": "train", "captions": ("a dog",)}
    return Clip(clip_id=clip_id, **{**values, **changes})  # type: ignore[arg-type]


def kinds(error: FaultsError) -> list[str]:
    return sorted(fault.kind for fault in error.faults)


# Clips ------------------------------------------------------------------------


def test_every_bad_clip_is_named() -> None:
    with pytest.raises(FaultsError) as caught:
        check_clips(
            [
                clip("fine"),
                clip("Fine"),
                clip("../up"),
                clip("no caption", captions=()),
                clip("empty", captions=("a", " ")),
                clip("nothing", concept=""),
                clip("where", split="training"),
            ]
        )
    assert kinds(caught.value) == [
        *("caption", "caption", "concept", "duplicate", "id", "id", "split"),
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"captions": ("a dog <script>alert(1)</script>",)}, "caption .* markup"),
        ({"captions": ("fine", "a dog\x1b[2J")}, r"caption .* U\+001B"),
        ({"captions": ("a\u200bdog",)}, r"caption .* U\+200B"),
        ({"captions": ("dog " * 300,)}, "caption .* 1200 characters"),
        ({"concept": "<b>dog</b>"}, "concept .* markup"),
        ({"root": "a\nb"}, r"root .* U\+000A"),
        ({"tags": ("dog", "[x](javascript:x)")}, "tags .* script"),
        ({"attribution": "Jo\x00"}, r"attribution .* U\+0000"),
    ],
)
def test_text_that_a_leaderboard_would_refuse_is_refused_first(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(FaultsError, match=words) as caught:
        check_clips([clip("fine"), clip("bad", **changes)])
    assert [(fault.kind, fault.where) for fault in caught.value.faults] == [("text", "bad")]


def test_captions_that_begin_like_formulas_are_captions() -> None:
    check_clips([clip("a", captions=("- a dog", "=^.^=", "+1", "@ home", "5 < 6"))])


@pytest.mark.parametrize("other", ["Dog", "DOG", "dog"], ids=["case", "capitals", "one label"])
def test_labels_that_differ_in_case_alone_are_named_together(other: str) -> None:
    clips = [clip("a", tags=("dog",)), clip("b", concept=other, tags=("x", other)), clip("c")]
    clips.append(clip("d", concept=other))
    if other == "dog":
        check_clips(clips)
        return
    with pytest.raises(FaultsError) as caught:
        check_clips(clips)
    # Once for the concept, once for the tag, wherever else they occur.
    assert [(fault.kind, fault.where) for fault in caught.value.faults] == [("label", "b")] * 2
    assert all(f"{other!r} is 'dog' (of a)" in fault.reason for fault in caught.value.faults)


def test_labels_in_two_unicode_forms_are_named_together() -> None:
    with pytest.raises(FaultsError, match="in other letters"):
        check_clips([clip("a", concept="caf\u00e9"), clip("b", concept="cafe\u0301")])


def test_youtube_ids_differ_in_case_alone() -> None:
    check_clips([clip("Yab", youtube_id="ab"), clip("YaB", youtube_id="aB")])


def test_a_missing_source_is_a_fault_of_its_own_kind() -> None:
    with pytest.raises(LassbenchError, match="gone since 2019"):
        read_source(MissingSource("gone", "gone since 2019"), sample_rate_hz=8000, seconds=1.0)


# The registry -----------------------------------------------------------------


def test_an_unknown_corpus_is_met_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no such corpus 'ecs50' \(did you mean 'esc50'\?\)"):
        open_corpus("ecs50", {})


def test_an_option_of_another_corpus_is_refused() -> None:
    with pytest.raises(UsageError, match="the corpus synthetic does not take --only-esc10"):
        open_corpus("synthetic", {"only_esc10": True})


def test_options_that_are_not_given_do_not_count() -> None:
    corpus = open_corpus("synthetic", {"source": None, "only_esc10": False, "seed": 3})
    assert corpus.clips()[0].clip_id.startswith("synthetic-3-")


@pytest.mark.parametrize("name", ["esc50", "folder"])
def test_corpora_on_disk_need_a_source(name: str) -> None:
    assert name in CORPORA
    with pytest.raises(UsageError, match="needs --source"):
        open_corpus(name, {})

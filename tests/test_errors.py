"""Messages say what, where, expected, got and what to do; they survive a process boundary."""

from __future__ import annotations

import pickle

import pytest

from lassbench.errors import (
    Fault,
    FaultsError,
    LassbenchError,
    UsageError,
    did_you_mean,
    nearest,
    one_line,
)


def test_a_message_answers_five_questions() -> None:
    error = LassbenchError(
        "wrong rate", where="a.wav", expected="32000 Hz", got="44100 Hz", fix="resample it"
    )
    assert str(error).splitlines() == [
        "a.wav: wrong rate",
        "  expected: 32000 Hz",
        "  got:      44100 Hz",
        "  to do:    resample it",
    ]
    assert (LassbenchError.exit_code, UsageError.exit_code) == (1, 2)


def test_errors_survive_pickling() -> None:
    for error in (
        UsageError("what", where="x:1", expected="a", got="b", fix="c"),
        FaultsError("bad files", [Fault("silent", "a.wav", "is silent")], fix="replace them"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.__dict__ == error.__dict__


def test_faults_are_counted_by_kind_and_listed_up_to_ten() -> None:
    faults = [Fault("missing", f"q{i:02d}", "no file") for i in range(12)] + [
        Fault("nan", "q99", "holds NaN")
    ]
    lines = str(FaultsError("cannot score", faults)).splitlines()
    assert lines[0] == "cannot score"
    assert lines[1] == "  missing: 12"
    assert lines[12] == "    ... and 2 more"
    assert lines[13:] == ["  nan: 1", "    q99: holds NaN"]


def test_strangers_text_cannot_rewrite_the_terminal() -> None:
    assert one_line("a\nb\x1b[2Jc") == "a\\nb\\x1b[2Jc"
    assert len(one_line("x" * 1000)) == 300


def test_the_nearest_word() -> None:
    assert did_you_mean("batch_sise", ["batch_size", "steps"]) == " (did you mean 'batch_size'?)"
    assert did_you_mean("zzz", ["batch_size"]) == ""


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("esc10-test-1", "esc10-test-0001"),
        ("esc10-test-00040", "esc10-test-0040"),
        ("esc10-tset-31", "esc10-test-0031"),
        ("esc10-test-0", "esc10-test-0000"),
        ("esc10-test-100", "esc10-test-0100"),
        ("a01-x7", "a1-x007"),
    ],
)
def test_zeros_in_front_of_a_number_do_not_count(word: str, meant: str) -> None:
    known = [f"esc10-test-{number:04d}" for number in range(401)]
    assert nearest(word, [*known, "a1-x007"]) == meant
    assert nearest(word, reversed([*known, "a1-x007"])) == meant
    assert did_you_mean(word, [*known, "a1-x007"]) == f" (did you mean {meant!r}?)"


def test_a_place_is_said_where_none_was() -> None:
    error = LassbenchError("the worker ended", got="exit code 1").at("q1")
    assert str(error) == error.message() == "q1: the worker ended\n  got:      exit code 1"
    assert str(error.at("q2")) == str(error)

"""Messages say what, where, expected, got and what to do; they survive a process boundary."""

from __future__ import annotations

import pickle

from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError, did_you_mean, one_line


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

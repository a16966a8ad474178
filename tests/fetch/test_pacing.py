"""Spacing, pauses and the breaker, by themselves."""

from __future__ import annotations

import time

import pytest

from lassbench.fetch.loop import Display
from lassbench.fetch.pacing import OFFLINE, Breaker, Limiter, Pause, RunStopped, clock


def test_requests_are_spaced_by_the_larger_of_rate_and_sleep() -> None:
    assert Limiter(250).spacing_s == pytest.approx(14.4)
    assert Limiter(250, 20).spacing_s == 20
    assert Limiter(0, 3).spacing_s == 3
    limiter = Limiter(3600)
    assert limiter.wait_s() == 0
    limiter.take()
    assert 0.9 < limiter.wait_s() <= 1.0
    assert Limiter(0).spacing_s == 0


def test_a_held_limiter_waits_at_least_so_long() -> None:
    limiter = Limiter(0)
    limiter.hold(0.05)
    assert limiter.wait_s() > 0.02
    time.sleep(0.06)
    assert limiter.wait_s() == 0


def test_pauses_double_up_to_the_longest_and_start_over_after_a_success() -> None:
    pause = Pause(10, longest_s=35)
    assert [pause.next_s() for _ in range(4)] == [10, 20, 35, 35]
    pause.reset()
    assert pause.next_s() == 10


def test_the_breaker_wants_ten_in_a_row() -> None:
    breaker = Breaker()
    for _ in range(9):
        breaker.failure("blocked", "not a bot")
    breaker.failure("private", "Private video")
    assert breaker.suspicious, "nothing has come through since"
    for _ in range(9):
        breaker.failure("rate-limited", "429")
    breaker.success()
    assert not breaker.suspicious
    for _ in range(9):
        breaker.failure("environment", "no format")
    with pytest.raises(RunStopped, match="9 environment, 1 offline") as stopped:
        breaker.failure(OFFLINE, "Failed to resolve")
    assert "lassbench doctor" in stopped.value.fix
    assert stopped.value.got == "Failed to resolve"


def test_a_terminal_sees_one_line_and_a_log_sees_few(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        Display(10).tick()
    assert capsys.readouterr().err == "", "a log line every half minute, not sooner"
    log = Display(10)
    log.settle("done")
    log.tick("YouTube limits the rate", 75.0)
    log.tick("YouTube limits the rate", 74.0)
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown = Display(10)
    shown.tick("YouTube limits the rate", 75.0)
    shown.say("blocked: \x1b[2J not a bot")
    err = capsys.readouterr().err
    assert "\r\x1b[Kfetch: 0/10; YouTube limits the rate; going on in 1:15" in err
    assert "\x1b[2J" not in err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (61, "1:01"), (3600, "1 h 00 min"), (7500, "2 h 05 min"), (90000, "1 d 1 h")],
)
def test_times_are_told_for_people(seconds: float, text: str) -> None:
    assert clock(seconds) == text

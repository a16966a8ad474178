"""The detector in a process beside the server: what it answers, and how it ends."""

from __future__ import annotations

import logging
import os
import signal
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

import psutil
import pytest

from lassbench.annotate import language
from lassbench.annotate.campaign import LANGUAGES
from lassbench.annotate.checks import check
from lassbench.annotate.language import Beside
from lassbench.dataset import Dataset
from tests.annotate.served import Served

GERMAN = "Ein Hund bellt zweimal laut im Garten hinter dem Haus"
SPANISH = "Un perro ladra a lo lejos mientras llueve en la calle"
ENGLISH = "A dog barks twice in the yard behind the house"


def loaded(**how: float) -> Beside:
    found = Beside("en", **how)
    found.start()
    found._waiting.join()  # done when the models are there
    assert found.ready
    return found


@pytest.fixture(scope="module")
def beside() -> Iterator[Beside]:
    found = loaded()
    yield found
    found.close()
    assert found._process is not None
    assert found._process.returncode is not None


def test_it_tells_what_the_detector_tells(beside: Beside) -> None:
    found = [beside.other(text) for text in (GERMAN, SPANISH, ENGLISH, "Собака громко лает дома")]
    assert found == ["German", "Spanish", "", "another script"]
    assert beside.other("") == "another script"  # no letter of any language
    assert beside.other("lone \ud800 surrogate in an English sentence") == ""
    assert [one.kind for one in check(GERMAN, beside)] == ["language"]


def test_threads_get_their_own_answers(beside: Beside) -> None:
    texts = [GERMAN, SPANISH, ENGLISH] * 20
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(beside.other, texts)) == ["German", "Spanish", ""] * 20


def died(beside: Beside) -> None:
    assert beside._process is not None
    beside._process.kill()


def hangs(beside: Beside) -> None:
    assert beside._process is not None
    os.kill(beside._process.pid, signal.SIGSTOP)


@pytest.mark.parametrize(
    ("harm", "why"), [(died, "it ended, with"), (hangs, "it did not answer in 0.5 s")]
)
def test_without_it_no_language_is_checked_and_that_is_said_once(
    harm: Callable[[Beside], None], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    beside = loaded(timeout=0.5)
    harm(beside)
    with caplog.at_level(logging.WARNING, "lassbench"):
        assert [beside.other(GERMAN), beside.other(GERMAN)] == ["", ""]
        assert not beside.ready
        assert check(GERMAN, beside) == []
    assert [why in record.getMessage() for record in caplog.records] == [True]
    assert beside._process is not None
    assert beside._process.returncode == -signal.SIGKILL  # put away, no zombie
    beside.close()
    beside.close()


def test_one_that_cannot_start_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    beside = Beside("en")
    beside.start()
    assert (beside.ready, beside.other(GERMAN)) == (False, "")
    assert "cannot be started" in caplog.text
    beside.close()


def test_closing_while_it_loads_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    beside = Beside("en")
    beside.start()
    beside.close()
    assert not beside.ready
    assert caplog.records == []
    assert beside._process is not None
    assert beside._process.returncode is not None


def test_it_ends_by_itself_when_nobody_is_there_any_more() -> None:
    beside = loaded()
    beside._connection.close()  # as the end of the other process does
    assert beside._process is not None
    assert beside._process.wait(timeout=60) == 0


def test_it_notices_that_between_two_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = Pipe()
    built: list[tuple[str, ...]] = []

    def build(*languages: str) -> None:
        built.append(languages)
        if len(built) == 2:
            ours.close()

    monkeypatch.setattr(language, "_build", build)
    language.answer(os.dup(theirs.fileno()), "fr")
    assert built == [("fr", language) for language in [*LANGUAGES][:2]]


def test_every_language_is_loaded_before_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = Pipe()
    built: set[str] = set()
    monkeypatch.setattr(language, "_build", lambda *languages: built.update(languages))
    thread = threading.Thread(target=language.answer, args=(os.dup(theirs.fileno()), "fr"))
    theirs.close()
    thread.start()
    assert isinstance(ours, Connection)
    assert ours.recv_bytes() == b""
    assert built == set(LANGUAGES)
    ours.close()
    thread.join()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_server(
    tiny_dataset: Dataset, tmp_path: Path, end: signal.Signals
) -> None:
    served = Served(tiny_dataset.path, tmp_path / "store.sqlite").start()
    try:
        # The first answer comes when the application has started.
        urllib.request.urlopen(f"{served.base}/robots.txt").close()
        assert served.process is not None
        children = psutil.Process(served.process.pid).children(recursive=True)
        assert len(children) == 1
        served.process.send_signal(end)
        served.process.wait(timeout=60)
        assert psutil.wait_procs(children, timeout=60)[1] == []
        assert served.process.stdout is not None
        assert "Traceback" not in served.process.stdout.read()
    finally:
        served.stop()

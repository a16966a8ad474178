"""Systems in another process: every way to fail there, and the end of it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lassbench.errors import LassbenchError
from lassbench.records import Query
from lassbench.systems import process_group, processes
from lassbench.systems.finding import as_system
from lassbench.systems.processes import CommandSystem, WorkerSystem
from tests.systems.halver import (
    HALF,
    HELPER,
    MIXTURE,
    OWN_SERVE,
    RATE,
    WRITE,
    Make,
    System,
    asked,
    badly,
    refused,
)

# ---------------------------------------------------------------------------
# Failing
# ---------------------------------------------------------------------------

#: name -> the lines that answer, and what the message says.
FAULTS: dict[str, tuple[list[str], list[str]]] = {
    "nothing written": (["print('all good')"], ["wrote no estimate", "all good"]),
    "nothing said": (["pass"], ["wrote no estimate", "it said nothing"]),
    "another file": (
        ["soundfile.write(estimate.replace('.wav', '.flac'), samples, rate)"],
        ["wrote no estimate", "it wrote estimate.flac instead"],
    ),
    "a folder": (["os.mkdir(estimate)"], ["cannot be read", "is not a file"]),
    "an empty file": (["open(estimate, 'w')"], ["cannot be read", "has no bytes"]),
    "text": (["open(estimate, 'w').write('Traceback')"], ["cannot be read"]),
    "a cut file": (
        [WRITE.strip(), "os.truncate(estimate, 9000)"],
        ["cannot be read"],
    ),
    "no samples": (["soundfile.write(estimate, samples[:0], rate)"], ["no audio frames"]),
    "another rate": (
        ["soundfile.write(estimate, samples[::2], rate // 2)"],
        ["another sample rate", "expected: 8000 Hz", "got:      4000 Hz"],
    ),
    "an exception": (
        ["raise ValueError('no such \\x1b[31msound\\x07')"],
        ["exit code 1", "in answer", "ValueError: no such sound\\x07"],
    ),
    "a missing module": (
        ["import no_such_module"],
        ["exit code 1", "No module named 'no_such_module'"],
    ),
    "out of memory on the card": (
        ["raise RuntimeError('CUDA out of memory. Tried to allocate 2.00 GiB')"],
        ["its device ran out of memory", "to do:    free the card"],
    ),
    "out of memory": (
        ["raise MemoryError('Unable to allocate 90 GiB')"],
        ["exit code 1", "to do:    give it a machine with more memory"],
    ),
    "an exit": (["os._exit(3)"], ["exit code 3"]),
    "no error's exit": (["print('half way', flush=True)", "os._exit(0)"], ["half way"]),
    "killed": (
        ["os.kill(os.getpid(), signal.SIGKILL)"],
        ["killed by signal 9 (SIGKILL): memory may have run out"],
    ),
    "a crash": (
        ["import faulthandler", "faulthandler.enable()", "faulthandler._sigsegv()"],
        ["killed by signal 11 (SIGSEGV)", "Segmentation fault", "in answer"],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_clear_message_and_the_next_query_is_answered(
    fault: str, own: Make, repo: Path
) -> None:
    lines, said = FAULTS[fault]
    system = own(
        badly(
            "if query == 'fail':",
            *(f"    {line}" for line in lines),
            "else:",
            "    " + WRITE.strip(),
        )
    )
    for query in ("a dog barks", "fail", "a dog barks"):
        if query != "fail":
            np.testing.assert_array_equal(asked(system, query), MIXTURE / 2)
            continue
        with pytest.raises(LassbenchError) as caught:
            asked(system, query)
    message = str(caught.value)
    assert all(one in message for one in said), message
    assert caught.value.exit_code == 1
    assert message.isascii()
    assert "\x1b" not in message


@pytest.mark.parametrize(
    ("line", "of_worker", "of_command"),
    [
        (
            "import no_such_module",
            f"--python {sys.executable}` says what is missing over there",
            "install it for the Python that runs the command",
        ),
        (
            "soundfile.write(estimate, samples, 16000)",
            "",
            "if it works at 16000 Hz, say so: --rate 16000",
        ),
    ],
)
def test_what_can_be_done_is_told(line: str, of_worker: str, of_command: str, own: Make) -> None:
    system = own(badly(line))
    fix = refused(system).fix
    assert fix.endswith(of_worker if isinstance(system, WorkerSystem) else of_command)


def test_what_was_warned_of_long_before_is_not_blamed(own: Make) -> None:
    system = own(
        badly(
            "print('No module named flash_attn: going on without')",
            "[print('working') for _ in range(9)]",
            "raise SystemExit('no dogs here')",
        )
    )
    error = refused(system)
    assert "flash_attn" in error.got
    assert error.fix == ""


SAID = {
    "echo last words; exit 3": (["last words"], "exit code 3"),
    r"printf ' 10%%\r 20%%\r 30%%\ndone'": ([" 30%", "done"], "exit code 0"),
    r"printf '\033[31mred\033[0m \a\377\n\n  in'": (["red \\x07\ufffd", "  in"], "exit code 0"),
    "seq 100": ([str(one) for one in range(81, 101)], "exit code 0"),
    "exit 137": (
        [],
        "exit code 137, which a shell gives for killed by signal 9 (SIGKILL): "
        "memory may have run out",
    ),
    "exit 255": ([], "exit code 255"),
}


@pytest.mark.parametrize("script", SAID)
def test_the_end_of_what_was_printed_is_kept_as_a_terminal_shows_it(script: str) -> None:
    """Also if nobody has read it before the process has ended."""
    process = process_group.ProcessGroup(["sh", "-c", script])
    os.waitid(os.P_PID, process._process.pid, os.WEXITED | os.WNOWAIT)
    assert process.answer(3600) is None
    assert (process.last_lines, process.how_it_ended) == SAID[script]
    process.end()


def test_signals_that_are_blocked_here_are_not_blocked_there(own: Make, repo: Path) -> None:
    blocked = {signal.SIGTERM, signal.SIGINT}
    system = own(badly("assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())") + WRITE)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        np.testing.assert_array_equal(asked(system), MIXTURE / 2)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("soundfile.write(estimate, numpy.stack([samples, samples], 1), rate)", "one channel"),
        ("soundfile.write(estimate, samples + numpy.nan, rate, subtype='FLOAT')", "NaN"),
        ("soundfile.write(estimate, samples[::2], rate)", "4000 samples"),
    ],
)
def test_what_is_read_and_no_estimate_is_refused_as_any_systems(
    line: str, told: str, own: Make
) -> None:
    with as_system(own(badly(line))) as system, pytest.raises(LassbenchError) as caught:
        system.separate([MIXTURE], [Query("q", "m", "a dog")], RATE)
    assert caught.value.what.endswith("returned something that is no estimate")
    assert told in caught.value.got


def test_an_estimate_of_an_earlier_query_is_not_taken_for_a_new_one(own: Make) -> None:
    """Neither what was written before, nor what is written late to where it was then."""
    system = own(
        badly(
            "if os.path.exists('first'):",
            "    os.makedirs(os.path.dirname(open('first').read()), exist_ok=True)",
            "    soundfile.write(open('first').read(), samples, rate)",
            "else:",
            "    open('first', 'w').write(estimate)",
            "    " + WRITE.strip(),
        )
    )
    np.testing.assert_array_equal(asked(system), MIXTURE / 2)
    assert "wrote no estimate" in str(refused(system))


@pytest.mark.parametrize("closed", [False, True])
def test_what_hangs_is_ended_with_all_that_it_started(
    own: Make, fifo: int, closed: bool, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it has closed its outputs.  A day passes as soon as it hangs."""
    close = "os.close(1); os.close(2)" if closed else "print('half way', flush=True)"
    system = own(HELPER + badly(close, "open('hangs', 'w')", "time.sleep(3600)"))

    class Clock:
        def monotonic(self) -> float:
            return time.monotonic() + 86400 * (repo / "hangs").exists()

    monkeypatch.setattr(process_group, "time", Clock())
    error = refused(system)
    assert "took longer than 1800 s" in str(error)
    assert closed or "half way" in error.got
    assert os.read(fifo, 10) == b"x"
    assert os.read(fifo, 10) == b""  # would wait for the helper


def test_what_a_command_leaves_running_ends_with_it(repo: Path, fifo: int) -> None:
    (repo / "script.py").write_text(HALF + HELPER + "answer(sys.argv[1], '', sys.argv[2])\n")
    system = CommandSystem(f"command:{sys.executable} script.py {{mixture}} {{estimate}}")
    np.testing.assert_array_equal(asked(system), MIXTURE / 2)
    assert os.read(fifo, 10) == b"x"
    assert os.read(fifo, 10) == b""
    system.close()


def test_a_worker_that_died_between_two_queries_is_told_of(
    worker: Callable[..., WorkerSystem], fifo: int
) -> None:
    system = worker(
        "pipe = open('alive', 'wb', buffering=0)\n"
        "def load(options):\n"
        "    return lambda mixture, query, negative: mixture / 2\n"
    )
    asked(system)
    os.kill(system._guard.group.number, signal.SIGKILL)  # type: ignore[union-attr]
    assert os.read(fifo, 10) == b""
    assert "killed by signal 9" in str(refused(system))
    np.testing.assert_array_equal(asked(system), MIXTURE / 2)


# --- a worker's own faults --------------------------------------------------

LOADING: dict[str, tuple[str, list[str]]] = {
    "raises": (
        "raise OSError('no net.pt')",
        ["could not be loaded", "OSError: no net.pt", "in load"],
    ),
    "leaves": ("raise SystemExit(0)", ["could not be loaded", "SystemExit: 0"]),
    "dies": ("import os; os._exit(4)", ["ended while loading", "exit code 4"]),
    "is killed": (
        "import os; os.kill(os.getpid(), 9)",
        ["ended while loading", "memory may have run out"],
    ),
    "lacks a module": ("import no_such_module", ["could not be loaded", "lassbench doctor"]),
    "returns nothing": ("return None", ["could not be loaded", "TypeError"]),
}


@pytest.mark.parametrize("fault", LOADING)
def test_a_worker_that_cannot_be_loaded_says_why(
    fault: str, worker: Callable[..., WorkerSystem]
) -> None:
    lines, said = LOADING[fault]
    message = str(refused(worker(f"def load(options):\n    print('loading')\n    {lines}\n")))
    assert all(one in message for one in said), message


@pytest.mark.parametrize(
    "answer",
    [
        '{"lassbench": "dne"}',
        '{"lassbench": "ready", "environment": {}}',
        '{"lassbench"',
        '{"lassbench": "done", "lassbench": "done"}',
        '{"lassbench": "failed", "error": "' + "x" * 2_000_000 + '"}',
    ],
    ids=lambda answer: answer[:30],
)
def test_what_is_no_answer_is_told(
    answer: str, worker: Callable[..., WorkerSystem], repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = repo.parent / "own_serve.py"
    serve.write_text(OWN_SERVE.replace("""'{"lassbench": "done"}'""", repr(answer)))
    monkeypatch.setattr(processes, "SERVE", serve)
    system = worker("")
    for _ in range(2):
        error = refused(system)
        assert "no answer" in error.what
        assert error.expected.startswith('{"lassbench": "done"')
        assert error.got.startswith('{"lassbench"')
        assert len(error.got) <= 300


# ---------------------------------------------------------------------------
# The end
# ---------------------------------------------------------------------------


def test_closing_ends_the_process_and_removes_the_scratch_folder(
    own: Make, fifo: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    system = own("pipe = open('alive', 'wb', buffering=0)\npipe.write(b'x')\n" + HALF)
    system.close()
    asked(system)
    (folder,) = (tmp_path / "scratch").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.iterdir()) == []  # nothing of a query stays
    system.close()
    system.close()
    assert list((tmp_path / "scratch").iterdir()) == []
    assert os.read(fifo, 10) == b"x"
    assert os.read(fifo, 10) == b""
    np.testing.assert_array_equal(asked(system), MIXTURE / 2)


#: A process of its own that asks a system.
PARENT = """
import os, pickle, signal
from pathlib import Path
from lassbench.systems import processes
from tests.systems.halver import asked
signal.signal(signal.SIGINT, signal.default_int_handler)
processes.SERVE = Path("../own_serve.py").absolute()
system = pickle.loads(Path("system").read_bytes())
try:
    asked(system)
    print("asked", flush=True)
    {then}
except KeyboardInterrupt:
    print("interrupted", flush=True)
    raise SystemExit(130)
"""


def parent(system: System, repo: Path, then: str) -> subprocess.Popen[bytes]:
    (repo / "system").write_bytes(pickle.dumps(system))
    (repo / "tmp").mkdir()
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(root), *filter(None, sys.path)])
    return subprocess.Popen(
        [sys.executable, "-c", PARENT.format(then=then)],
        cwd=repo,
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(repo / "tmp")},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def assert_all_is_gone(process: subprocess.Popen[bytes], fifo: int, repo: Path, said: str) -> None:
    """Nothing of what it started is left, once it has ended; it said as much."""
    out, _ = process.communicate()
    assert out.decode().strip() == said
    assert os.read(fifo, 10) == b""
    while any((repo / "tmp").iterdir()):  # what removes it is no child of this process
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "said", "code"),
    [
        (signal.SIGINT, "interrupted", 130),
        # No code of ours runs then; so it is where memory has run out.
        (signal.SIGKILL, "", -signal.SIGKILL),
    ],
)
def test_what_ends_this_process_in_a_query_ends_all(
    number: signal.Signals, said: str, code: int, own: Make, fifo: int, repo: Path
) -> None:
    process = parent(own(HELPER + badly("time.sleep(3600)")), repo, "")
    os.close(os.open(repo / "alive", os.O_RDONLY))  # waits until somebody writes
    assert os.read(fifo, 10) == b"x"
    process.send_signal(number)
    assert_all_is_gone(process, fifo, repo, said)
    assert process.returncode == code


@pytest.mark.parametrize("then", ["pass", "del system", "os._exit(0)"])
def test_the_end_of_the_interpreter_ends_all(own: Make, fifo: int, repo: Path, then: str) -> None:
    process = parent(own(HELPER + HALF), repo, then)
    assert process.wait() == 0
    assert os.read(fifo, 10) == b"x"
    assert_all_is_gone(process, fifo, repo, "asked")

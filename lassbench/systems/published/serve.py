"""The loop of a worker process: loads one published system, then answers queries.

    PYTHON serve.py SYSTEM_FILE OPTIONS_AS_JSON

It runs in the system's own environment, Python 3.8 or later with NumPy, soundfile and torch
and no lassbench, and in the folder of the system's code, where its modules are found.
On its standard output it says, one line of JSON each,

    {"lassbench": "ready", "environment": {...}}                 once the model is loaded
    {"lassbench": "done"}                                        the estimate is written
    {"lassbench": "failed", "error": "...", "traceback": "..."}  it is not

and on its standard input it reads
``{"mixture": PATH, "query": STR, "negative": STR, "estimate": PATH, "seed": INT}``, one
line a query, until the input ends.  A query that failed leaves the worker running; a
system that cannot be loaded ends it with exit code 1.

A system file defines ``load(options) -> separate``, where
``separate(mixture, query, negative)`` takes float32 samples of shape ``(samples,)`` and
returns as many.  The options are absolute paths that have been looked at, and ``device``,
a name that torch knows.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import random
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile


def main(file: str, options: str) -> int:
    """Load the system in ``file`` and answer queries until the input ends; the exit code."""
    requests, answers = _private_pipes()
    # The files beside this one must not shadow a system's modules.
    here = Path(__file__).resolve().parent
    others = [entry for entry in sys.path if Path(entry).resolve() != here]
    sys.path[:] = [str(Path.cwd()), *others]
    # Some systems read the command line when they are imported.
    sys.argv = [file]
    try:
        given = json.loads(options)
        if given["device"] == "auto":
            import torch

            given["device"] = "cuda" if torch.cuda.is_available() else "cpu"
        separate = _module(file).load(given)
        if not callable(separate):
            raise TypeError(f"load returned no function: {separate!r}")
        environment = _environment(given["device"])
    except (Exception, SystemExit) as error:
        _answer(answers, _failure(error))
        return 1
    _answer(answers, {"lassbench": "ready", "environment": environment})
    for line in requests:
        if line.strip():
            _answer(answers, _answered(separate, line))
    return 0


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for this loop alone.

    What the system prints, in Python or below it, goes to standard error; what it reads
    is empty.  Its own child processes inherit neither pipe.
    """
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return requests, answers


def _module(file: str) -> Any:
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _environment(device: str) -> dict[str, str]:
    """On what the system runs, the device as people know it."""
    found = {"python": platform.python_version(), "device": device}
    torch = sys.modules.get("torch")
    if torch is not None:
        found["torch"] = str(torch.__version__)
        if device.startswith("cuda"):
            found["device"] = torch.cuda.get_device_name(device)
        elif device == "cpu":
            found["device"] = f"cpu, {torch.get_num_threads()} threads"
    return found


def _answered(separate: Callable[[Any, str, str], Any], line: bytes) -> dict[str, Any]:
    """Answer one query; whatever goes wrong in it is the answer."""
    try:
        _separate(separate, json.loads(line.decode("utf-8")))
    except (Exception, SystemExit) as error:
        return _failure(error)
    return {"lassbench": "done"}


def _separate(separate: Callable[[Any, str, str], Any], asked: dict[str, Any]) -> None:
    samples, rate = soundfile.read(asked["mixture"], dtype="float32")
    seed = asked["seed"]
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    answer = separate(samples, asked["query"], asked["negative"])
    found = np.asarray(answer, dtype=np.float32)
    if found.ndim != 1:
        raise ValueError(f"the system returned an array of shape {found.shape}, not (samples,)")
    soundfile.write(asked["estimate"], found, rate, format="WAV", subtype="FLOAT")


def _failure(error: BaseException) -> dict[str, Any]:
    # The first words tell what happened, and the last lines where.
    said = f"{type(error).__name__}: {error}"[:2000]
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    trace = "".join(line[:2000] for line in lines)[-20000:]
    return {"lassbench": "failed", "error": _readable(said), "traceback": _readable(trace)}


def _readable(text: str) -> str:
    """Without halves of characters and NUL, which texts of errors hold and JSON readers refuse."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")


def _answer(answers: BinaryIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer).encode("ascii") + b"\n")
    answers.flush()


if __name__ == "__main__":
    try:
        code = main(*sys.argv[1:])
    except (BrokenPipeError, KeyboardInterrupt):
        code = 1  # nobody is listening any more
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that a system left running would keep the process alive.
    os._exit(code)

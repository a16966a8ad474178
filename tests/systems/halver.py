"""A system that halves its mixture, as a worker and as a command, well or badly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lassbench.cards import SystemCard
from lassbench.errors import LassbenchError
from lassbench.systems.processes import CommandSystem, WorkerSystem
from lassbench.systems.published import PUBLISHED, Option, Published

RATE = 8000
MIXTURE = np.random.default_rng(18).uniform(-0.5, 0.5, RATE).astype(np.float32)

#: What a worker or a script does with a query, whole and well: the expected answer is half.
HALF = """
import soundfile
def answer(mixture, query, estimate):
    samples, rate = soundfile.read(mixture, dtype="float32")
    soundfile.write(estimate, samples / 2, rate, subtype="FLOAT")
"""

#: A worker of the test's own, which leaves writing to ``answer`` so that it can write badly.
OWN_SERVE = """
import json, os, sys
sys.path.insert(0, os.getcwd())
print('{"lassbench": "ready", "environment": {"device": "abacus"}}', flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    from body import answer
    answer(asked["mixture"], asked["query"], asked["estimate"])
    print('{"lassbench": "done"}', flush=True)
"""

SCRIPT = """
import os, sys
sys.path.insert(0, os.getcwd())
from body import answer
answer(*sys.argv[1:])
"""

System = CommandSystem | WorkerSystem
Make = Callable[..., System]


def published(worker: Path, **more: Any) -> Published:
    """A published system of the test's own."""
    told: dict[str, Any] = {
        "name": "halver",
        "card": SystemCard(name="Halver", authors="A. Test"),
        "repository": "nowhere",
        "worker": worker,
        "sample_rate": RATE,
        "negative": True,
        "options": {
            "repo": Option("its checkout", folder=True),
            "checkpoint": Option("its weights"),
        },
        "repository_files": ("body.py",),
    }
    return replace(PUBLISHED["audiosep"], **(told | more))


#: A helper that a system starts: it holds the pipe and does not end when it is asked to.
HELPER = """
import subprocess, sys
helper = subprocess.Popen([sys.executable, "-c", '''
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pipe = open("alive", "wb", buffering=0)
pipe.write(b"x")
print("here", flush=True)
time.sleep(3600)
'''], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
helper.stdout.readline()
"""


def asked(system: System, query: str = "a dog barks") -> Any:
    return system.separate(MIXTURE, query, RATE)


def refused(system: System) -> LassbenchError:
    with pytest.raises(LassbenchError) as caught:
        asked(system)
    return caught.value


WRITE = "    soundfile.write(estimate, samples / 2, rate, subtype='FLOAT')\n"


def badly(*lines: str) -> str:
    """``answer``, with ``lines`` where it should write."""
    head = HALF[: HALF.index("    soundfile.write")]
    return "import os, signal, time, numpy\n" + head + "".join(f"    {line}\n" for line in lines)

"""What a query of 10 s costs beyond the model's own work, in a worker and in a command.

python -m tests.bench worker [--repeats N]

Both give back what they are given.  The floor is what nobody can do without who hands
sound over in files: soundfile writes and reads it twice, in one process.  The wish is
less than 10 ms for a worker; a command starts Python and imports soundfile each time.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from lassbench.systems.processes import CommandSystem, WorkerSystem
from tests.bench._table import compare, machine, print_table
from tests.systems.halver import published

RATE, SECONDS = 32000, 10
WORKER = "def load(options):\n    return (lambda mixture, query, negative: mixture), {}\n"
SCRIPT = (
    "import sys, soundfile\n"
    "samples, rate = soundfile.read(sys.argv[1], dtype='float32')\n"
    "soundfile.write(sys.argv[2], samples, rate, subtype='FLOAT')\n"
)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tests.bench worker")
    parser.add_argument("--repeats", type=int, default=50)
    repeats = parser.parse_args(arguments).repeats
    print(machine("soundfile", "numpy"))
    mixture = np.random.default_rng(0).uniform(-1, 1, RATE * SECONDS).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "worker.py").write_text(WORKER)
        (folder / "script.py").write_text(SCRIPT)
        told = published(folder / "worker.py", repository_files=())
        options = {"repo": name, "checkpoint": str(folder / "worker.py")}
        script = f"command:{sys.executable} {folder / 'script.py'} {{mixture}} {{estimate}}"

        def floor() -> None:
            for file in (folder / "there.wav", folder / "back.wav"):
                soundfile.write(file, mixture, RATE, subtype="FLOAT")
                soundfile.read(file, dtype="float32")

        with (
            contextlib.closing(
                WorkerSystem(told, python=sys.executable, options=options)
            ) as worker,
            contextlib.closing(CommandSystem(script)) as command,
        ):
            times = compare(
                {
                    "files alone": floor,
                    "worker": lambda: worker.separate(mixture, "a dog barks", RATE),
                    "command": lambda: command.separate(mixture, "a dog barks", RATE),
                },
                repeats=repeats,
            )
    rows = [
        (name, 1000 * time.median, 1000 * min(time.runs), 1000 * max(time.runs))
        for name, time in times.items()
    ]
    title = f"{SECONDS} s at {RATE} Hz there and back, {repeats} times"
    print_table(("", "median, ms", "least", "most"), rows, title)

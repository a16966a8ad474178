"""``python -m lassbench`` is the command."""

from __future__ import annotations

import subprocess
import sys

from lassbench import __version__


def test_run_as_a_module() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lassbench", *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    assert run("--version").stdout == f"lassbench, version {__version__}\n"
    wrong = run("scores")
    assert wrong.returncode == 2
    assert "score" in wrong.stderr
    assert "Traceback" not in wrong.stderr

"""A real server in a process of its own, as the command line starts it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Served:
    """``lassbench annotate serve`` on a port that stays the same when it is started again."""

    def __init__(self, dataset: Path, store: Path, *more: str) -> None:
        self.dataset, self.store, self.more = dataset, store, more
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.links: dict[str, str] = {}
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Served:
        command = [
            *(sys.executable, "-c", "from lassbench.cli import main; main()"),
            *("annotate", "serve", str(self.dataset), "--store", str(self.store)),
            *("--port", str(self.port), *self.more),
        ]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            found = re.match(r"  (\S+)  (http\S+)", line)
            if found:
                self.links[found.group(1)] = found.group(2)
            if line.startswith("serving on"):
                break
        else:
            raise AssertionError(said)
        self._wait()
        return self

    def _wait(self) -> None:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def kill(self) -> None:
        """As a power cut would: no chance to put anything away."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

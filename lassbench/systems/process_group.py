"""A process in a group of its own: what it is told, what it says, and its end.

The whole group ends with it, helpers that it started too; a :class:`Guard` ends the group
where the process that started it has no time to: it was killed, or left by ``os._exit``, as
a pool's workers do.  What is printed is read as it comes, however much that is, and the end
of it is kept for messages.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lassbench.errors import one_line
from lassbench.interrupts import Interrupts

#: Seconds that a process is given to end when it is asked to.
GRACE_S = 3.0

#: Lines of what a process printed that a message shows.
SHOWN = 20

#: Seconds between two looks at whether a process lives whose pipes others hold open.
_LOOK_S = 0.1

#: Bytes that are kept of what it printed, that are read at a time, and that one answer may have.
_KEPT, _CHUNK, _LONGEST = 1 << 15, 1 << 16, 1 << 20

#: How the lines of a worker begin that are answers; all others are chatter.
_ANSWER = b'{"lassbench"'

#: What a guard does.  The number is 0 between two groups, since another's may be the same later.
_GUARD = """
running=0
while read -r group; do running=$group; done
[ "$running" = 0 ] || kill -KILL "-$running"
rm -rf -- "$1"
"""


class ProcessGroup:
    """A process in a group of its own: what it is told, what it says, and its end.

    No thread reads for it: between two calls of :meth:`answer` nobody does, and what it
    prints meanwhile waits in the pipe.

    Parameters
    ----------
    talks
        Whether it is a worker, whose standard output holds answers.
    """

    def __init__(
        self, command: Sequence[str], *, cwd: Path | None = None, talks: bool = False
    ) -> None:
        self._selector = selectors.DefaultSelector()  # first: a process is not to be lost
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            bufsize=0,
            start_new_session=True,
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if talks else subprocess.STDOUT,
            # It calls the system once, and takes no lock.
            preexec_fn=_unblock if signal.pthread_sigmask(signal.SIG_BLOCK, ()) else None,  # noqa: PLW1509
        )
        self._talks, self._ended = talks, False
        self._said, self._line, self._unsent = bytearray(), bytearray(), bytearray()
        self._answers: deque[bytes] = deque()
        for stream in self._streams:
            os.set_blocking(stream.fileno(), False)
            if stream is not self._process.stdin:
                self._selector.register(stream, selectors.EVENT_READ)

    @property
    def number(self) -> int:
        """The group's, which is its leader's."""
        return self._process.pid

    @property
    def _streams(self) -> list[Any]:
        found = (self._process.stdin, self._process.stdout, self._process.stderr)
        return [stream for stream in found if stream is not None]

    def answer(self, timeout_s: float, request: bytes = b"") -> bytes | None:
        """Its next line that is an answer, to ``request`` if there is one.

        ``None`` if the process ends before.

        Raises
        ------
        TimeoutError
            If neither has come in ``timeout_s`` seconds.
        """
        deadline = time.monotonic() + timeout_s
        if request and self._process.stdin and self._process.poll() is None:
            self._unsent += request
            self._selector.register(self._process.stdin, selectors.EVENT_WRITE)
        while not self._answers:
            if self._process.poll() is not None:
                self.end()
                break
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if self._selector.get_map():
                for key, events in self._selector.select(min(left, _LOOK_S)):
                    (self._read if events & selectors.EVENT_READ else self._write)(key.fileobj)
            else:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(min(left, _LOOK_S))
        return self._answers.popleft() if self._answers else None

    def _write(self, stream: Any) -> None:
        try:
            del self._unsent[: os.write(stream.fileno(), self._unsent)]
        except BlockingIOError:
            return
        except OSError:  # it reads no more: its end will show
            self._unsent.clear()
        if not self._unsent:
            self._selector.unregister(stream)

    def _read(self, stream: Any) -> bool:
        """Take in what is there, without waiting; whether there may be more."""
        try:
            data = os.read(stream.fileno(), _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(stream)
        elif self._talks and stream is self._process.stdout:
            self._take_lines(data)
        else:
            self._keep(data)
        return bool(data)

    def _take_lines(self, data: bytes) -> None:
        *lines, rest = (self._line + data).split(b"\n")
        if len(rest) > _LONGEST:
            lines.append(rest)
            rest = bytearray(b" ")  # what follows on this line is no beginning of one
        for line in lines:
            if line.startswith(_ANSWER):
                self._answers.append(bytes(line))
            else:
                self._keep(line + b"\n")
        self._line = rest

    def _keep(self, data: bytes | bytearray) -> None:
        self._said += data
        del self._said[:-_KEPT]

    @property
    def last_lines(self) -> list[str]:
        """The end of what it printed, each line as a terminal shows it and printable."""
        text = re.sub(
            r"\x1b\[[0-9;?]*[A-Za-z]", "", (self._said + self._line).decode(errors="replace")
        )
        # Of a progress bar, which goes back to the line's beginning, the last state is seen.
        lines = [re.split(r"\r+", line.rstrip())[-1] for line in text.split("\n")]
        return [shown(line) for line in lines if line.strip()][-SHOWN:]

    @property
    def how_it_ended(self) -> str:
        """Its exit code, or the signal that killed it and what that may mean."""
        code = self._process.returncode
        if code is None:
            return "still ending"
        number = -code if code < 0 else code - 128
        named = number in {one.value for one in signal.Signals}
        how = f"exit code {code}" if code >= 0 else ""
        if named:
            how += f"{', which a shell gives for ' if how else ''}killed by signal {number}"
            how += f" ({signal.Signals(number).name})"
        return f"{how}: memory may have run out" if number == signal.SIGKILL else how

    def end(self) -> None:
        """End the whole group, and take in what it has said; again is nothing."""
        with Interrupts():
            if self._ended:
                return
            self._ended = True
            for number in (signal.SIGTERM, signal.SIGKILL):
                # Also where the leader has ended: it may have left others.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.number, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(GRACE_S)
            for key in list(self._selector.get_map().values()):
                if key.events & selectors.EVENT_READ:
                    # At most so much: whoever left the group may go on for ever.
                    any(not self._read(key.fileobj) for _ in range(_LONGEST // _CHUNK))
            self._selector.close()
            for stream in self._streams:
                stream.close()


class Guard:
    """A scratch folder of this user's own and one process group, which end with this process.

    However it ends: a small process waits for the end of a pipe whose other end is held here.
    Then it kills the group that it was told of last, and removes the folder.

    Raises
    ------
    OSError
        If there can be no folder, or no process.
    """

    def __init__(self) -> None:
        self.group: ProcessGroup | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="lassbench-")).absolute()
        self._process = subprocess.Popen(
            ["sh", "-c", _GUARD, "lassbench-guard", str(self.folder)],
            bufsize=0,
            cwd="/",
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def start(self, command: Sequence[str], **how: Any) -> ProcessGroup:
        """Start the group, as :class:`ProcessGroup` does; there is none yet."""
        with Interrupts():
            self.group = ProcessGroup(command, **how)
            self._watch(self.group.number)
        return self.group

    def end(self) -> None:
        """End the group, if there is one."""
        with Interrupts():
            if self.group is not None:
                self.group.end()
                self._watch(0)
                self.group = None

    def close(self) -> None:
        """End the group, and remove the folder."""
        with Interrupts():
            self.end()
            shutil.rmtree(self.folder, ignore_errors=True)
            # Not by the end of its pipe, which a fork of this process may hold open.
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _watch(self, group: int) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # somebody has killed it
            self._process.stdin.write(b"%d\n" % group)


def _unblock() -> None:
    """Blocked signals, as in a pool's workers, would be blocked in all that a system starts."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def shown(line: str) -> str:
    """A line of somebody's output or traceback, indented as it is, printable and not too long."""
    stripped = line.lstrip()
    return " " * min(len(line) - len(stripped), 20) + one_line(stripped)

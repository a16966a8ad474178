"""Systems that run in another process: a published system's worker, and any command.

A published system runs in an environment of its own, where ``published/serve.py`` loads its
model once and answers lines of JSON; a command is started anew for each query.  Sound goes
there and comes back in files of a scratch folder that only this user can read.

A process and all that it starts end with a time limit, an error, Ctrl-C, ``close``, or the
interpreter; a worker ends by itself when its input does.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lassbench import audio, files
from lassbench.audio import AudioFault, Samples
from lassbench.cards import SystemCard
from lassbench.errors import (
    Fault,
    LassbenchError,
    UsageError,
    UsageFaultsError,
    did_you_mean,
    one_line,
)
from lassbench.interrupts import Interrupts
from lassbench.systems import own_code
from lassbench.systems.process_group import SHOWN, Guard, ProcessGroup, shown
from lassbench.systems.published import SERVE, Published

#: How a command begins, where a system is named.
COMMAND = "command:"

#: Seconds that a query may take unless it is said otherwise (`lassbench separate` says so
#: always), and that loading a model may take at least.
TIMEOUT_S = 1800.0

# ---------------------------------------------------------------------------
# What workers and commands have in common
# ---------------------------------------------------------------------------


class _Elsewhere(ABC):
    """A system in another process, asked one query at a time.

    Parameters
    ----------
    name
        What messages call it.
    timeout_s
        Seconds that a query may take.
    """

    #: What the user can do about another sample rate, and about a missing module.
    _rate_fix = _module_fix = ""

    def __init__(self, name: str, timeout_s: float) -> None:
        if not timeout_s > 0:
            raise UsageError("the time limit must be positive", got=f"{timeout_s} s")
        self._name, self.timeout_s = name, timeout_s
        #: Where it runs, once it does: Python, torch, the device.
        self.ran_in: dict[str, str] = {}
        self._guard: Guard | None = None
        self._asked = 0

    def close(self) -> None:
        """End its process and remove its scratch folder; if it is asked again, it starts again."""
        with Interrupts():
            if self._guard is not None:
                self._guard.close()
                self._guard = None

    def separate(
        self, mixture: Samples, query: str, sample_rate: int, *, negative: str = "", seed: int = 0
    ) -> Samples:
        """What ``query`` asks for: float32, as many samples and channels as it gives back.

        Raises
        ------
        LassbenchError
            If it cannot be started, fails, ends, takes too long, or writes what is no estimate.
        """
        # No path occurs twice, so that what an earlier query wrote late is nobody's answer.
        self._asked += 1
        folder = self._guarded().folder / str(self._asked)
        heard, estimate = folder / "mixture.wav", folder / "estimate.wav"
        asked = {
            "mixture": str(heard),
            "query": query,
            "negative": negative,
            "estimate": str(estimate),
            "seed": seed,
            "sample_rate": sample_rate,
        }
        try:
            folder.mkdir()
            heard.write_bytes(audio.encode_wav_float(mixture, sample_rate))
            return self._estimate(estimate, sample_rate, self._ask(asked))
        except OSError as error:
            raise files.explain_os_error(error, folder) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @abstractmethod
    def _ask(self, asked: Mapping[str, Any]) -> ProcessGroup:
        """Let a process answer, and say which: it may have told why it wrote nothing."""

    def _guarded(self) -> Guard:
        try:
            with Interrupts():
                self._guard = self._guard or Guard()
        except OSError as error:
            place = Path(error.filename or tempfile.gettempdir())
            raise files.explain_os_error(error, place) from error
        return self._guard

    def _start(self, command: Sequence[str], **how: Any) -> ProcessGroup:
        guard = self._guarded()
        try:
            return guard.start(command, **how)
        except OSError as error:
            raise LassbenchError(
                f"{self._name} could not be started",
                got=one_line(f"{error.filename or command[0]}: {error.strerror or error}"),
            ) from error

    @contextlib.contextmanager
    def _closed_by_errors(self) -> Iterator[None]:
        """Where it is not known what a process would do next if something goes wrong."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _estimate(self, path: Path, rate_hz: int, process: ProcessGroup) -> Samples:
        """What was written to ``path``."""
        try:
            with audio.open_sound(path) as reader:
                if reader.rate != rate_hz:
                    raise LassbenchError(
                        f"{self._name} wrote another sample rate than it was given",
                        expected=f"{rate_hz} Hz",
                        got=f"{reader.rate} Hz",
                        fix=self._rate_fix.format(reader.rate),
                    )
                samples = np.concatenate(list(reader.blocks(None, None)))
        except AudioFault as fault:
            if fault.kind != "missing":
                reason = one_line(fault.reason)
                raise self._failure(
                    "wrote an estimate that cannot be read", process, reason
                ) from fault
            others = [one.name for one in files.listed(path.parent) if one.name != "mixture.wav"]
            wrote = f"it wrote {one_line(', '.join(others))} instead" if others else ""
            raise self._failure("wrote no estimate", process, wrote) from fault
        return samples[:, 0] if samples.shape[1] == 1 else samples

    def _heard(
        self, process: ProcessGroup, limit_s: float, doing: str, request: bytes = b""
    ) -> bytes | None:
        """As :meth:`ProcessGroup.answer`; what takes too long is told of."""
        try:
            return process.answer(limit_s, request)
        except TimeoutError as error:
            process.end()
            what = f"took longer than {limit_s:g} s {doing}, and was ended"
            fix = "if it only needs more time, allow it: --timeout SECONDS"
            raise self._failure(what, process, fix=fix) from error

    def _failure(
        self,
        what: str,
        process: ProcessGroup,
        reason: str = "",
        lines: Sequence[str] = (),
        fix: str = "",
    ) -> LassbenchError:
        """``what`` happened, with what the process said last, and what to do about it."""
        lines = lines or process.last_lines
        said = [reason] if reason else [] if lines else ["it said nothing"]
        # The last line of a traceback is the error itself.
        lines = lines[:-1] if lines and lines[-1] == reason else lines
        text = "\n".join([reason, *lines[-5:]])  # before that it may have warned of anything
        if re.search(r"\bModuleNotFoundError\b|\bNo module named\b", text):
            fix = self._module_fix
        elif re.search(r"(CUDA|HIP|MPS|device).{0,40}out of memory|CUDA_ERROR_OUT_OF_MEMORY", text):
            what = f"{what}: its device ran out of memory"
            fix = "free the card, take one with more memory, or compute on the CPU"
        elif re.search(
            r"memory may have run out|\bMemoryError\b|allocate memory|Unable to allocate", text
        ):
            fix = "give it a machine with more memory, or more of this one's"
        return LassbenchError(f"{self._name} {what}", got="\n    ".join([*said, *lines]), fix=fix)


# ---------------------------------------------------------------------------
# Published systems
# ---------------------------------------------------------------------------


class WorkerSystem(_Elsewhere):
    """A published system: one worker process in its own environment, which loads it once.

    The worker is started by the first query, and again by the one after a failure that
    ended it.

    Parameters
    ----------
    python
        The interpreter of that environment: a path, or a name found on ``PATH``.
    options
        What the catalogue asks for, such as ``repo`` and ``checkpoint``.
    device
        ``auto``, ``cpu``, ``cuda`` or another that torch knows over there.
    timeout_s
        Seconds that a query may take; loading the model may take :data:`TIMEOUT_S` at least.

    Raises
    ------
    UsageError
        If the interpreter, the repository or a file is not there, or options are missing
        or unknown.
    """

    accepts_seed = True

    def __init__(
        self,
        published: Published,
        *,
        python: str,
        options: Mapping[str, str],
        device: str = "auto",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        super().__init__(published.name, timeout_s)
        self._published, self._given = published, dict(options)
        self._options = published.completed(options)
        self._python, fault = find_python(python)
        faults = [Fault("python", python or "--python", fault)] if fault else []
        if faults := [*faults, *published.faults(self._options)]:
            raise UsageFaultsError(
                f"{published.name} cannot be started",
                faults,
                fix=f"`lassbench systems` says what {published.name} needs",
            )
        self._asked_device = device
        self.sample_rate, self.max_seconds = published.sample_rate, published.max_seconds
        self.accepts_negative = published.negative
        self._module_fix = (
            f"`lassbench doctor --system {published.name} --repo {shlex.quote(options['repo'])} "
            f"--python {shlex.quote(python)}` says what is missing over there"
        )

    @property
    def device(self) -> str:
        """What it computes on, as the worker calls it; before it runs, as it was asked for."""
        return self.ran_in.get("device", self._asked_device)

    @cached_property
    def card(self) -> SystemCard:
        """The catalogue's, with the hash of the checkpoint."""
        hashed = self.made_by["files"].get("checkpoint", "")
        return self._published.card.model_copy(update={"checkpoint_sha256": hashed})

    @cached_property
    def made_by(self) -> dict[str, Any]:
        """What ``system.yaml`` says of it: known before anything is started."""
        code = [files.sha256_file(path) for path in (SERVE, self._published.worker)]
        hashed = {
            name: files.sha256_file(Path(path))
            for name, path in self._options.items()
            if not self._published.options[name].folder
        }
        repo = Path(self._options["repo"])
        commit = commit_of(repo)
        if not commit:  # unpacked from an archive: its code is known by its content
            code_there = files.listed(repo, "**/*.py")
            hashed["repo"] = own_code.files_sha256(repo, code_there)
        return {
            "system": self._published.name,
            "sha256": files.sha256_bytes(" ".join(code).encode()),
            "arguments": {**self._given, "device": self._asked_device},
            "files": hashed,
            **({"commit": commit} if commit else {}),
        }

    def _ask(self, asked: Mapping[str, Any]) -> ProcessGroup:
        with self._closed_by_errors():
            process = self._running()
            line = json.dumps(asked).encode() + b"\n"
            answer = self._answer(process, self.timeout_s, "separating", "done", line)
        if answer["lassbench"] == "failed":
            raise self._told(answer, process, "failed")
        return process

    def start_worker(self) -> None:
        """Start the worker and let it load the system, if none is running.

        Raises
        ------
        LassbenchError
            If it cannot load the system, ends, or takes too long.
        """
        with self._closed_by_errors():
            self._running()

    def _running(self) -> ProcessGroup:
        return self._guarded().group or self._load()

    def _load(self) -> ProcessGroup:
        options = json.dumps({**self._options, "device": self._asked_device})
        # A crash in compiled code tells where it was.
        command = [self._python, "-u", "-X", "faulthandler", str(SERVE)]
        command += [str(self._published.worker), options]
        process = self._start(command, cwd=Path(self._options["repo"]), talks=True)
        limit_s = max(TIMEOUT_S, self.timeout_s)
        answer = self._answer(process, limit_s, "loading", "ready")
        if answer["lassbench"] == "failed":
            raise self._told(answer, process, "could not be loaded")
        told = answer.get("environment")
        self.ran_in = {str(key): str(value) for key, value in dict(told or {}).items()}
        return process

    def _answer(
        self, process: ProcessGroup, limit_s: float, doing: str, expected: str, request: bytes = b""
    ) -> dict[str, Any]:
        """The worker's answer, ``expected`` or ``failed``."""
        line = self._heard(process, limit_s, doing, request)
        if line is None:
            raise self._failure(f"ended while {doing}", process, process.how_it_ended)
        try:
            answer = files.parse_json(line.decode(), where=self._name)
        except (LassbenchError, UnicodeDecodeError):
            answer = None
        if not isinstance(answer, dict) or answer.get("lassbench") not in (expected, "failed"):
            raise LassbenchError(
                f"{self._name}: its worker gave something that is no answer",
                expected=f'{{"lassbench": "{expected}", ...}}',
                got=one_line(line.decode(errors="replace")),
            )
        return answer

    def _told(self, answer: Mapping[str, Any], process: ProcessGroup, what: str) -> LassbenchError:
        """The error that a worker tells of itself."""
        lines = str(answer.get("traceback", "")).rstrip().split("\n")[-SHOWN:]
        return self._failure(
            what,
            process,
            one_line(str(answer.get("error", "")), 600),
            [shown(line) for line in lines],
        )


def find_python(python: str) -> tuple[str, str]:
    """The absolute path of an interpreter, or ``""`` and why it is none."""
    if not python:
        return "", "the interpreter of its environment has to be named"
    path = Path(python).expanduser()
    if path.is_dir():
        return "", "is a folder; the interpreter in it is bin/python"
    if found := shutil.which(path.absolute() if os.sep in python else python):
        # Not resolved: in a virtual environment it is a link, which says where that stands.
        return str(Path(found).absolute()), ""
    return "", "is not executable" if path.is_file() else "no such interpreter"


def commit_of(repository: Path) -> str:
    """The commit that is checked out in ``repository``, ``""`` if it is not the top of one.

    ``+edited`` and a hash of the difference follow where files that it tracks were changed.
    """

    def git(*words: str) -> bytes | None:
        line = ["git", "-C", str(repository), "-c", "core.fsmonitor=false", *words]
        # A hook of another repository may have set these.
        env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        try:
            done = subprocess.run(
                line, capture_output=True, stdin=subprocess.DEVNULL, check=False, env=env
            )
        except OSError:
            return None
        return done.stdout if done.returncode == 0 else None

    told = git("rev-parse", "--show-prefix", "HEAD")
    prefix, _, commit = (told or b"x").decode(errors="replace").partition("\n")
    if prefix or not commit.strip():
        return ""
    changes = git("diff", "--no-ext-diff", "--no-textconv", "--binary", "HEAD")
    edited = f"+edited.{files.sha256_bytes(changes)[:12]}" if changes else ""
    return commit.strip() + edited


# ---------------------------------------------------------------------------
# Commands
# ---------------------------------------------------------------------------

_PLACEHOLDER = re.compile(r"\{([a-z]+(?:_[a-z]+)*)\}")
_PLACEHOLDERS = ("mixture", "query", "negative", "estimate", "seed", "sample_rate")
_SCRIPT = re.compile(r".+\.(py|sh|pl|rb|R|jl|js|m|lua)")


class CommandSystem(_Elsewhere):
    """A command that is run for each query, such as ``python infer.py {mixture} {estimate}``.

    It is split once, as a shell would, and no shell reads it; then ``{mixture}``,
    ``{query}``, ``{negative}``, ``{estimate}``, ``{seed}`` and ``{sample_rate}`` are
    replaced inside of the words, so that a query is one argument whatever is in it.

    Parameters
    ----------
    text
        The command, ``command:`` before it or not.

    Raises
    ------
    UsageError
        If it cannot be split, its program is not found, it has no ``{mixture}`` or
        ``{estimate}``, or another word in braces.
    """

    device = ""

    def __init__(self, text: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._text = text
        try:
            self._words = shlex.split(text.removeprefix(COMMAND))
        except ValueError as error:
            raise UsageError(
                "the command cannot be split into words",
                where=one_line(text),
                got=str(error),
                fix="close the quotes; a backslash takes the next character as it is",
            ) from error
        found = set(_PLACEHOLDER.findall(" ".join(self._words)))
        self._check(found)
        scripts = (word for word in self._words if _SCRIPT.fullmatch(word) and _is_file(word))
        super().__init__(Path(next(scripts, self._words[0])).stem, timeout_s)
        self.card = SystemCard(name=self._name, query_type="text" if "query" in found else "none")
        self.accepts_negative, self.accepts_seed = "negative" in found, "seed" in found
        self._rate_fix = "if it works at {0} Hz, say so: --rate {0}"
        self._module_fix = "install it for the Python that runs the command"

    def _check(self, found: set[str]) -> None:
        where, known = one_line(self._text), [f"{{{name}}}" for name in _PLACEHOLDERS]
        for name in sorted(found.difference(_PLACEHOLDERS)):
            word = f"{{{name}}}"
            raise UsageError(
                f"the command has an unknown placeholder{did_you_mean(word, known)}",
                where=where,
                expected=", ".join(known),
                got=word,
            )
        for name in ("mixture", "estimate"):
            if name not in found:
                raise UsageError(
                    f"the command has no {{{name}}}",
                    where=where,
                    expected="{mixture}, the file to read, and {estimate}, the file to write",
                    fix="'command:python infer.py --in {mixture} --text {query} --out {estimate}'",
                )
        if shutil.which(self._words[0]) is None:
            raise UsageError(
                "the command's program is not there, or cannot be run",
                where=where,
                got=one_line(self._words[0]),
                fix="check the path; no shell reads the command: for variables write "
                "`env NAME=value program ...`, for pipes a script",
            )

    @cached_property
    def made_by(self) -> dict[str, Any]:
        """What ``system.yaml`` says of it: the text, and the hashes of files that it names."""
        names = [part for word in self._words for part in (word, word.partition("=")[2])]
        found = {name: files.sha256_file(Path(name)) for name in names if name and _is_file(name)}
        whole = files.to_json([self._text, found])
        return {
            "system": self._text,
            "sha256": files.sha256_bytes(whole.encode(errors="surrogatepass")),
            "files": found,
        }

    def _ask(self, asked: Mapping[str, Any]) -> ProcessGroup:
        words = [_PLACEHOLDER.sub(lambda found: str(asked[found[1]]), word) for word in self._words]
        if any("\0" in word for word in words):
            raise LassbenchError("the query holds a NUL, which no command can be given")
        with self._closed_by_errors():
            process = self._start(words)
            self._heard(process, self.timeout_s, "separating")
            self._guarded().end()
        if process.how_it_ended != "exit code 0":
            raise self._failure("failed", process, process.how_it_ended)
        return process


def _is_file(word: str) -> bool:
    return not files.file_fault(Path(word))

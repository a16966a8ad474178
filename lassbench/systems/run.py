"""Running a system over a suite: which queries, into which folder, and what was run."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lassbench import audio, files, output_folders
from lassbench.cards import Cost
from lassbench.errors import LassbenchError, LassbenchWarning, UsageError, one_line
from lassbench.parallel import Shard, map_ordered
from lassbench.progress import track
from lassbench.records import Query
from lassbench.suites.suite import Suite, load_suite
from lassbench.systems.finding import Asked, as_system, find_system
from lassbench.systems.predictions import (
    CLIPS_FILE,
    SUFFIXES,
    SYSTEM_FILE,
    MadeBy,
    SeparatedSuite,
    SystemFile,
    header_fault,
    read_system,
    write_system,
)
from lassbench.systems.protocol import System

Samples = NDArray[np.float32]

#: What messages call it, and the lock under which ``system.yaml`` is read and written.
_FOLDER, _TURN = "the prediction folder", ".system.lock"

#: Queries that are handed to another process at a time, for systems that take one a call.
QUERIES_PER_PIECE = 4


@dataclass(frozen=True)
class Ran:
    """How a run ended: what ``system.yaml`` says, and how many answers are old and new."""

    system: SystemFile
    kept: int
    new: int


def check_suite(system: System, suite: Suite) -> None:
    """Refuse a system that needs what the suite does not have.

    Raises
    ------
    UsageError
        If that is references.
    """
    if suite.kind == "unreferenced" and system.oracle:
        raise UsageError(
            f"{system.card.name} needs the true sources, and nobody has them",
            where=suite.path,
            expected="a suite with references",
            got="real recordings (unreferenced)",
            fix="name another system",
        )


def estimate(
    system: System, suite: Suite, queries: Iterable[Query], *, batch_size: int = 8
) -> Iterator[tuple[Query, Samples]]:
    """Ask ``system`` each query in turn; yield the query and the answer.

    Parameters
    ----------
    batch_size
        Queries a call for systems that offer ``separate_batch``.

    Raises
    ------
    LassbenchError
        If the system fails, or an answer is no estimate.
    UsageError
        As :func:`check_suite`.
    """
    check_suite(system, suite)
    rate, remaining = suite.sample_rate_hz, iter(queries)
    while batch := list(islice(remaining, batch_size if system.batched else 1)):
        if system.oracle:
            for query in batch:
                yield query, system.oracle_answer(suite.render(query.mixture_id), query, rate)
        else:
            mixtures = [suite.mixture_samples(query.mixture_id) for query in batch]
            yield from zip(batch, system.separate(mixtures, batch, rate), strict=True)


@dataclass(frozen=True)
class _Piece:
    """Some queries' answers, how long they took (s), and what made them where."""

    answers: list[tuple[str, Samples]]
    seconds: float
    made_by: MadeBy
    device: str
    environment: dict[str, str]
    warnings: tuple[str, ...] = ()


def _piece(system: System, suite: Suite, queries: Sequence[Query], batch_size: int) -> _Piece:
    system.start()
    start = time.perf_counter()
    made = estimate(system, suite, queries, batch_size=batch_size)
    found = [(query.query_id, samples) for query, samples in made]
    seconds = time.perf_counter() - start
    return _Piece(found, seconds, system.made_by, system.device, system.environment)


# A process makes its system, and opens the suite, once: until there is other code or another
# suite of that name, since a cluster's workers live longer than a run.


@lru_cache(maxsize=1)
def _found_here(asked: Asked, made_by: str) -> System:
    return find_system(asked)


@lru_cache(maxsize=1)
def _opened_here(path: Path, fingerprint: str) -> Suite:
    opened = load_suite(path)
    if opened.fingerprint != fingerprint:
        raise LassbenchError(
            "a worker has another suite than this process",
            where=path,
            expected=fingerprint,
            got=opened.fingerprint,
            fix="give every machine the same files",
        )
    return opened


def _piece_elsewhere(
    queries: Sequence[str],
    *,
    asked: Asked,
    made_by: str,
    suite: tuple[Path, str],
    folder: Path,
    batch_size: int,
) -> _Piece:
    """The same in another process, which stands in ``folder`` meanwhile, as paths are meant."""
    if not folder.is_dir():
        raise LassbenchError(
            "a worker does not have the folder that the command was given in",
            where=folder,
            fix="share it with every machine, under the same path",
        )
    with contextlib.chdir(folder), warnings.catch_warnings(record=True) as heard:
        opened = _opened_here(*suite)
        chosen = [opened.queries[one] for one in queries]
        piece = _piece(_found_here(asked, made_by), opened, chosen, batch_size)
    ours = []
    for one in heard:
        if issubclass(one.category, LassbenchWarning):
            ours.append(str(one.message))
        else:  # the user's code's, which is shown where it runs
            warnings.showwarning(one.message, one.category, one.filename, one.lineno)
    return replace(piece, warnings=tuple(ours))


def separate_suite(
    system: Any,
    suite: Suite,
    out: Path,
    *,
    batch_size: int = 8,
    limit: int | None = None,
    shard: Shard | None = None,
    overwrite: bool = False,
    executor: Executor | None = None,
    asked: Asked | None = None,
) -> Ran:
    """Separate every query of ``suite`` into ``out``; finished files are kept.

    Files are 32-bit float WAV.  ``system.yaml`` is written first, so that an
    interrupted run can be told from another system's, and again at the end with
    where it ran and what separating cost.

    Parameters
    ----------
    system
        As :func:`~lassbench.systems.finding.as_system` takes it.
    limit, shard
        Only the first so many queries; of these only one machine's part.  Parts go into
        one folder, or into several whose files are put together afterwards.
    overwrite
        Whether the estimates of another system, or of other code, may be deleted.
    executor, asked
        Where the work is done, if not in this process, and by what name each worker finds
        the system.  Workers read the suite's folder and the system's files themselves.

    Raises
    ------
    UsageError
        If ``out`` holds another system's or another suite's predictions, or other files,
        or as :func:`check_suite`.
    """
    system = as_system(system)
    check_suite(system, suite)
    output_folders.check_output_folder(out, what=_FOLDER)
    path = os.path.relpath(suite.path.resolve(), out.resolve())
    separated = SeparatedSuite(name=suite.name, fingerprint=suite.fingerprint, path=path)
    said = SystemFile(**dict(system.card), suite=separated, made_by=system.made_by)
    lock = f".{shard.index}-of-{shard.count}.lock" if shard else ".lock"
    with output_folders.folder_lock(out, what=_FOLDER, name=lock):
        with _its_turn(out):
            _check_alone(out, lock)
            said = _take_over(out, said, overwrite=overwrite)
            output_folders.remove_leavings(out)
            if not overwrite:
                write_system(out, said)
        queries = [
            query
            for query in suite.renderable_queries[:limit]
            if shard is None or shard.has(query.query_id)
        ]
        todo = [query for query in queries if overwrite or not _is_done(out, query, suite)]
        size = batch_size if system.batched else QUERIES_PER_PIECE if executor else 1
        cut = [todo[at : at + size] for at in range(0, len(todo), size)]
        pieces: Iterator[_Piece]
        if executor is None or asked is None:
            pieces = (_piece(system, suite, part, batch_size) for part in cut)
        else:
            there = partial(
                _piece_elsewhere,
                asked=asked,
                made_by=system.made_by.model_dump_json(),
                suite=(suite.path.resolve(), suite.fingerprint),
                folder=Path.cwd(),
                batch_size=batch_size,
            )
            ids = ([query.query_id for query in part] for part in cut)
            pieces = map_ordered(executor, there, ids, ahead=16)
        new = _New(out, said, system, suite, overwrite=overwrite)
        answers = (answer for piece in pieces for answer in new.checked(piece))
        made = len(queries) - len(todo)
        try:
            for query_id, samples in track(answers, f"separating {said.name}", total=len(todo)):
                audio.write_wav_float(out / f"{query_id}.wav", samples, suite.sample_rate_hz)
                made += 1
        except BaseException as error:
            if made:
                error.add_note(
                    f"{out}: {made} of {len(queries)} queries are done and kept: the same command "
                    f"{'without --overwrite ' * overwrite}goes on from there"
                )
            raise
        if todo:
            new.write_cost(len(todo))
        return Ran(new.said, len(queries) - len(todo), len(todo))


class _New:
    """What ``system.yaml`` comes to say while answers are made."""

    def __init__(
        self, out: Path, said: SystemFile, system: System, suite: Suite, *, overwrite: bool
    ) -> None:
        self.said, self._overwrite = said, overwrite
        self._out, self._suite, self._made_by = out, suite, system.made_by
        self._seconds, self._device, self._warned = 0.0, system.device, False

    def checked(self, piece: _Piece) -> list[tuple[str, Samples]]:
        """The answers of ``piece``, if what made them is what this process has, too."""
        if piece.made_by != self._made_by:
            raise LassbenchError(
                "a worker has other code than this process",
                where=piece.environment.get("host", "a worker"),
                expected=_told(self._made_by),
                got=_told(piece.made_by),
                fix="give every machine the same files",
            )
        if self._overwrite:  # what was there stands until the new system has answered
            self._overwrite = False
            with _its_turn(self._out):
                _delete_estimates(self._out)
                write_system(self._out, self.said)
        for text in piece.warnings if not self._warned else ():
            warnings.warn(text, LassbenchWarning, stacklevel=2)
            self._warned = True
        self._seconds += piece.seconds
        self._device = piece.device
        assert self.said.made_by is not None
        if piece.environment and piece.environment not in self.said.made_by.environments:
            self._write(environment=piece.environment)
        return piece.answers

    def write_cost(self, queries: int) -> None:
        """Write what separating so many took."""
        audio_s = queries * self._suite.samples / self._suite.sample_rate_hz
        factor = float(f"{self._seconds / audio_s:.3g}")
        self._write(cost=Cost(real_time_factor=factor, device=self._device))

    def _write(self, environment: dict[str, str] | None = None, cost: Cost | None = None) -> None:
        with _its_turn(self._out):
            # As it is there: another shard may have said meanwhile where it runs.
            there = read_system(self._out)
            there = there if there.made_by else self.said  # somebody has deleted it
            assert there.made_by is not None
            where = there.made_by.environments
            if environment and environment not in where:
                where = (*where, environment)
            made_by = there.made_by.model_copy(update={"environments": where})
            self.said = there.model_copy(update={"made_by": made_by, "cost": cost or there.cost})
            write_system(self._out, self.said)


def _its_turn(out: Path) -> contextlib.AbstractContextManager[None]:
    """Shards that run at once read and write ``system.yaml`` one after the other."""
    return output_folders.folder_lock(out, what=_FOLDER, name=_TURN, wait=True)


def _check_alone(out: Path, lock: str) -> None:
    """Refuse a whole run beside any other, and a shard beside a whole run."""
    held = [path.name for path in files.listed(out) if path.name.endswith(".lock")]
    for other in held if lock == ".lock" else {".lock"}.intersection(held):
        if other not in (lock, _TURN):
            with output_folders.folder_lock(out, what=_FOLDER, name=other):
                pass  # nobody has it


def _take_over(out: Path, now: SystemFile, *, overwrite: bool) -> SystemFile:
    """What ``out``'s ``system.yaml`` will say at first: where it goes on, with what it says."""
    if not (out / SYSTEM_FILE).is_file():
        ours = (".lock", files.TEMPORARY_SUFFIX)
        foreign = [path.name for path in files.listed(out) if not path.name.endswith(ours)]
        if foreign:
            raise UsageError(
                "this folder holds other files",
                where=out,
                got=f"{foreign[0]} and so on",
                fix="name an empty folder",
            )
        return now
    if overwrite:
        return now
    if not any(path.suffix in SUFFIXES for path in files.listed(out)):
        _delete_estimates(out)  # nothing was made: only the card is there
        return now
    before = read_system(out)
    if other := _differences(before, now):
        raise UsageError(
            f"this folder holds predictions {other[0]}",
            where=out,
            expected=f"{one_line(now.name)} on {now.suite.name}, made by {_told(now.made_by)}",
            got=f"{one_line(before.name)} on {one_line(before.suite.name or 'no suite')}, made by "
            f"{_told(before.made_by)}",
            fix="--overwrite to delete them and make all anew, or another -o",
        )
    assert before.made_by is not None and now.made_by is not None
    made_by = now.made_by.model_copy(update={"environments": before.made_by.environments})
    return now.model_copy(update={"made_by": made_by, "cost": before.cost})


def _delete_estimates(out: Path) -> None:
    # The card goes last: until then what is left is what it says.
    for path in files.listed(out):
        if (path.suffix in SUFFIXES and not path.is_dir()) or path.name == CLIPS_FILE:
            path.unlink()
    (out / SYSTEM_FILE).unlink(missing_ok=True)


def _differences(before: SystemFile, now: SystemFile) -> list[str]:
    """How the predictions that are there were made otherwise, in words."""
    was, will = before.made_by or MadeBy(system=""), now.made_by or MadeBy(system="")
    table = {
        "for another suite": before.suite.fingerprint == now.suite.fingerprint,
        "that do not say what made them": before.made_by is not None,
        "made by another system": was.system == will.system and before.name == now.name,
        "made by other code": (was.sha256, was.commit) == (will.sha256, will.commit),
        "made with other arguments": _said(was) == _said(will),
        "made with other files": was.files == will.files,
        "made with another seed": was.seed == will.seed,
        "made at another rate": was.sample_rate == will.sample_rate,
        "made otherwise with the negative query": was.without_negative == will.without_negative,
        "of a system with another card": before.card == now.card,
    }
    return [words for words, same in table.items() if not same]


def _said(made_by: MadeBy) -> dict[str, str]:
    """The arguments whose content no hash tells: a path may be written from elsewhere."""
    hashed = {*made_by.files, *(["repo"] if made_by.commit else [])}
    return {name: value for name, value in made_by.arguments.items() if name not in hashed}


def _told(made_by: MadeBy | None) -> str:
    """What made predictions, in a line."""
    if made_by is None:
        return "something unknown"
    commit, _, edited = made_by.commit.partition("+")
    words = [made_by.system, made_by.sha256[:12], commit[:12] + f"+{edited}" * bool(edited)]
    words += [f"{name}={value}" for name, value in made_by.arguments.items()]
    words += [f"{name} {value[:12]}" for name, value in made_by.files.items()]
    words += [f"seed {made_by.seed}"] if made_by.seed is not None else []
    words += [f"{made_by.sample_rate} Hz"] if made_by.sample_rate is not None else []
    return one_line(" ".join(word for word in words if word))


def _is_done(out: Path, query: Query, suite: Suite) -> bool:
    paths = (out / f"{query.query_id}{suffix}" for suffix in SUFFIXES)
    return any(path.is_file() and header_fault(path, suite) is None for path in paths)

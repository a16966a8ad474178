"""Prediction folders: what a system answered, one file a query.

A folder holds ``<query_id>.wav`` or ``<query_id>.flac`` for every query of a
suite, mono, at the suite's rate and length, and ``system.yaml``, which says
what made them.  Files come from strangers, so everything about them is checked
before a number is computed: :func:`check` reads every header and reports all
faults in one pass, :meth:`PredictionSet.load` checks the samples themselves.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import yaml
from numpy.typing import NDArray

from lassbench import audio, files
from lassbench.errors import Fault, LassbenchError, UsageError, did_you_mean, one_line
from lassbench.records import SystemCard, SystemQuery
from lassbench.suites import Suite

SYSTEM_FILE = "system.yaml"
CLIPS_FILE = "training_clips.txt"
SUFFIXES = (".wav", ".flac")

#: Files that may lie beside the predictions without being extra.
_COMPANIONS = (SYSTEM_FILE, CLIPS_FILE, ".lock")


@dataclass(frozen=True)
class System:
    """The content of ``system.yaml``: the card, the suite, and what it cost.

    Attributes
    ----------
    suite
        Name, fingerprint and path (relative to the folder) of the suite that
        was separated; empty for predictions made elsewhere.
    cost
        ``real_time_factor`` (seconds of computing a second of audio) and
        ``device``, when ``lassbench separate`` measured them.
    """

    card: SystemCard
    suite: Mapping[str, str] = field(default_factory=dict)
    cost: Mapping[str, Any] = field(default_factory=dict)


def read_system(folder: Path) -> System:
    """Read ``system.yaml``; a folder without one is a system named after the folder.

    Raises
    ------
    LassbenchError
        If the file is not YAML, has an unknown key, or a value of the wrong type.
    """
    path = folder / SYSTEM_FILE
    if not path.is_file():
        return System(SystemCard(name=folder.resolve().name))
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise LassbenchError(
            "not valid YAML", where=f"{path}{line}", got=one_line(str(error))
        ) from error
    if not isinstance(content, dict):
        raise LassbenchError(
            "must be a mapping of keys to values", where=path, expected="name: ... and so on"
        )
    return _system_from(content, path)


def _system_from(content: dict[str, Any], path: Path) -> System:
    known = {f.name for f in dataclasses.fields(SystemCard)} | {"suite", "cost"}
    for key in content:
        if key not in known:
            raise LassbenchError(
                f"unknown key {key!r}{did_you_mean(str(key), known)}",
                where=path,
                expected=", ".join(sorted(known)),
            )
    values = {key: value for key, value in content.items() if value is not None}
    suite, cost = values.pop("suite", {}), values.pop("cost", {})
    for key in ("trained_on", "training_clips_sha256"):
        if isinstance(values.get(key), list):
            values[key] = tuple(str(item) for item in values[key])
    clips_file = path.with_name(CLIPS_FILE)
    if clips_file.is_file() and not values.get("training_clips_sha256"):
        values["training_clips_sha256"] = _read_hashes(clips_file)
    _check_types(values, suite, cost, path)
    return System(SystemCard(**values), suite=suite, cost=cost)


def _read_hashes(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text(encoding="utf-8").split())
    except (UnicodeDecodeError, OSError) as error:
        raise LassbenchError(
            "cannot read the training clips' hashes",
            where=path,
            expected="text, one SHA-256 a line",
            got=one_line(str(error)),
        ) from error


def _check_types(values: Mapping[str, Any], suite: object, cost: object, path: Path) -> None:
    texts = ("name", "authors", "url", "description", "checkpoint_sha256", "query_type")
    wrong = [key for key in texts if key in values and not isinstance(values[key], str)]
    wrong += [
        key
        for key in ("trained_on", "training_clips_sha256")
        if not isinstance(values.get(key, ()), tuple)
    ]
    parameters = values.get("parameters")
    if parameters is not None and (isinstance(parameters, bool) or not isinstance(parameters, int)):
        wrong.append("parameters")
    wrong += [
        key for key, value in (("suite", suite), ("cost", cost)) if not isinstance(value, dict)
    ]
    if wrong:
        raise LassbenchError(
            f"{wrong[0]} has the wrong type",
            where=path,
            expected="text; trained_on a list; parameters a whole number; suite, cost mappings",
            got=one_line(repr(values.get(wrong[0]))),
        )
    if not values.get("name"):
        raise LassbenchError("the system needs a name", where=path, fix="add a line `name: ...`")
    if values.get("query_type", "text") not in get_args(SystemQuery):
        raise LassbenchError(
            "unknown query_type",
            where=path,
            expected=" | ".join(get_args(SystemQuery)),
            got=str(values["query_type"]),
        )


def write_system(folder: Path, system: System) -> None:
    """Write ``system.yaml`` (and the training clips' hashes beside it) atomically."""
    content = dataclasses.asdict(system.card)
    hashes = content.pop("training_clips_sha256")
    content["trained_on"] = list(content["trained_on"])
    if hashes:
        files.write_text(folder / CLIPS_FILE, "".join(f"{value}\n" for value in sorted(hashes)))
    content["suite"] = dict(system.suite)
    content["cost"] = dict(system.cost)
    files.write_text(
        folder / SYSTEM_FILE, yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    )


@dataclass(frozen=True)
class PredictionSet:
    """The usable files of a prediction folder, by query id.  Picklable.

    Attributes
    ----------
    paths
        query_id -> file, for every query whose header is right.
    """

    folder: Path
    system: System
    sample_rate_hz: int
    samples: int
    paths: Mapping[str, Path]

    def load(self, query_id: str) -> NDArray[np.float32]:
        """The estimate for ``query_id``: float32, shape (samples,).

        Raises
        ------
        AudioFault
            If the file has gone, is cut short, or holds NaN or infinite samples.
        """
        return self.load_checked(query_id)[0]

    def load_checked(self, query_id: str) -> tuple[NDArray[np.float32], str]:
        """The estimate and the SHA-256 of its float32 little-endian samples.

        Raises
        ------
        AudioFault
            As :meth:`load`.
        """
        path = self.paths[query_id]
        samples, rate = audio.decode(path)
        if rate != self.sample_rate_hz or samples.shape != (self.samples,):
            got = f"{samples.shape[0]} samples at {rate} Hz, its header said {self.samples}"
            raise audio.AudioFault("lying header", got, where=path)
        return samples, audio.pcm_sha256(samples)


def check(folder: Path, suite: Suite) -> tuple[PredictionSet, list[Fault]]:
    """Compare a prediction folder with a suite, header by header.

    Returns
    -------
    tuple
        The usable predictions, and every fault found: ``missing``, ``extra``,
        ``two files``, ``name case``, ``link``, ``not a file``, ``unreadable``,
        ``rate``, ``channels``, ``short``, ``long``.  Queries that this machine
        cannot render are neither expected nor extra.

    Raises
    ------
    UsageError
        If the folder is not there.
    """
    if not folder.is_dir():
        raise UsageError(
            "no such prediction folder",
            where=folder,
            expected="a folder with <query_id>.wav files",
            fix="make one with `lassbench separate`",
        )
    system = read_system(folder)
    wanted = {query.query_id for query in suite.renderable_queries}
    found, faults = _scan(folder, wanted, set(suite.queries))
    paths: dict[str, Path] = {}
    for query_id in sorted(found):
        fault = _header_fault(found[query_id], suite)
        if fault:
            faults.append(fault)
        else:
            paths[query_id] = found[query_id]
    seen = set(found) | {Path(fault.where).stem for fault in faults}
    missing = sorted(wanted - seen)
    faults += [Fault("missing", query_id, f"no {query_id}.wav or .flac") for query_id in missing]
    return PredictionSet(folder, system, suite.sample_rate_hz, suite.samples, paths), faults


def open_predictions(folder: Path, suite: Suite) -> PredictionSet:
    """The usable predictions of ``folder``, faults or not: for looking, not for scoring."""
    return check(folder, suite)[0]


def _scan(folder: Path, wanted: set[str], known: set[str]) -> tuple[dict[str, Path], list[Fault]]:
    """query_id -> file for the wanted ones, and the faults of names and kinds of file."""
    found: dict[str, Path] = {}
    twice: set[str] = set()
    faults: list[Fault] = []
    by_lower = {query_id.lower(): query_id for query_id in known}
    inside = folder.resolve()
    for entry in _entries(folder):
        stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122  # a DirEntry, not a Path
        if entry.name in _COMPANIONS or entry.name.endswith(files.TEMPORARY_SUFFIX):
            continue
        path = folder / entry.name
        if stem not in known or suffix not in SUFFIXES:
            faults.append(_stray(path, by_lower))
        elif entry.is_symlink() and (astray := _leads_astray(path, inside)):
            faults.append(Fault("link", str(path), astray))
        elif not entry.is_file():
            faults.append(Fault("not a file", str(path), "is not a regular file"))
        elif stem in found:
            faults.append(
                Fault(
                    "two files",
                    str(path),
                    f"both {found[stem].name} and {entry.name} answer {stem}",
                )
            )
            twice.add(stem)
        elif stem in wanted:
            found[stem] = path
    # Which of the two is meant is not for us to say: neither is scored.
    return {stem: path for stem, path in found.items() if stem not in twice}, faults


def _leads_astray(link: Path, inside: Path) -> str:
    """Why a symbolic link is not followed, or ``""``."""
    try:
        if link.resolve(strict=True).is_relative_to(inside):
            return ""
    except (OSError, RuntimeError):  # RuntimeError: a loop, before Python 3.13
        return "a link that leads nowhere; put the file itself here"
    return "a link that leads out of the folder; put the file itself here"


def _stray(path: Path, by_lower: Mapping[str, str]) -> Fault:
    likely = by_lower.get(path.stem.lower())
    if likely and path.suffix.lower() in SUFFIXES:
        return Fault(
            "name case", str(path), f"names are case-sensitive: expected {likely}.wav or .flac"
        )
    return Fault("extra", str(path), "answers no query of this suite")


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listing:
            yield from sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        raise files.explain_os_error(error, folder) from error


def _header_fault(path: Path, suite: Suite) -> Fault | None:
    try:
        header = audio.probe(path)
    except audio.AudioFault as error:
        return Fault("unreadable", str(path), error.reason)
    if header.rate != suite.sample_rate_hz:
        return Fault("rate", str(path), f"{header.rate} Hz, expected {suite.sample_rate_hz} Hz")
    if header.channels != 1:
        return Fault("channels", str(path), f"{header.channels} channels, expected 1 (mono)")
    if header.frames != suite.samples:
        kind = "short" if header.frames < suite.samples else "long"
        return Fault(kind, str(path), f"{header.frames} samples, expected {suite.samples}")
    return None

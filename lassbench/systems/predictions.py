"""Prediction folders: what a system answered, one file a query.

A folder holds ``<query_id>.wav`` or ``<query_id>.flac`` for every query of a
suite, mono, at the suite's rate and length, and ``system.yaml``, which says
what made them.  What a file holds counts, not what its name says: WAV or FLAC
whose samples are kept without loss.  Files come from anyone, so everything about
them is checked before a number is computed: :func:`check` reads every header and
reports all faults in one pass, :func:`read_estimate` checks the samples.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lassbench import audio, files
from lassbench.cards import Cost, SystemCard
from lassbench.checked import Sha256, Strict, Text
from lassbench.containers import SUFFIXES as SOUND_SUFFIXES
from lassbench.errors import Fault, LassbenchError, UsageError
from lassbench.suites.suite import Suite, load_suite
from lassbench.yaml_files import read_yaml, write_yaml

SYSTEM_FILE = "system.yaml"
CLIPS_FILE = "training_clips.txt"
#: The largest list of training clips that is read, in bytes: three million hashes.
CLIPS_LIMIT = 200_000_000
SUFFIXES = (".wav", ".flac")

#: How libsndfile and FFmpeg begin the names of sample formats that lose nothing.
_LOSSLESS = ("pcm_", "float", "double", "flac", "alac", "wavpack", "tta", "ape")

#: Files that may lie beside the predictions without being extra.
_COMPANIONS = (SYSTEM_FILE, CLIPS_FILE)


class SeparatedSuite(Strict):
    """The suite that was separated; ``path`` goes from the prediction folder."""

    name: Annotated[str, Field(max_length=200)] = ""
    fingerprint: Annotated[str, Field(max_length=200)] = ""
    path: Annotated[str, Field(max_length=4096)] = ""


class MadeBy(Strict):
    """What made the estimates, so far as it could be known before it was run.

    Attributes
    ----------
    system
        As it was named to ``lassbench separate``.
    sha256
        Of its source (every file beside it that it loaded), of its checkpoint, or of the
        worker's or the command's files; ``""`` where there is none.
    arguments, files
        What it was given, and the hashes of what of it are files.
    commit
        Of the repository that a published system was run from; ``+edited`` where files
        were changed.
    sample_rate
        In Hz, that it was asked to work at, having none of its own.
    without_negative
        Whether it takes a negative query and was never given one.
    environments
        Where it ran: device, Python, torch.  Several if it was gone on with elsewhere.
    """

    system: Text
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    arguments: dict[str, Text] = Field(default_factory=dict)
    files: dict[str, Sha256] = Field(default_factory=dict)
    commit: Annotated[str, Field(max_length=200)] = ""
    seed: int | None = None
    sample_rate: int | None = None
    without_negative: bool = False
    environments: tuple[dict[str, Text], ...] = ()


class SystemFile(SystemCard):
    """The content of ``system.yaml``: the card, the suite, what made the estimates, its cost.

    ``suite`` says nothing for predictions made elsewhere, ``made_by`` and ``cost`` where
    ``lassbench separate`` did not run the system.
    """

    suite: SeparatedSuite = SeparatedSuite()
    made_by: MadeBy | None = None
    cost: Cost = Cost()

    @property
    def card(self) -> SystemCard:
        """What a system's own card says, without this run."""
        return SystemCard(**{name: getattr(self, name) for name in SystemCard.model_fields})


def as_people_write_it(value: Any) -> Any:
    """A key without a value is as good as none; 1.5e6 is whole, one text a list of one."""
    if not isinstance(value, dict):
        return value
    value = {key: as_people_write_it(one) for key, one in value.items() if one is not None}
    count, trained = value.get("parameters"), value.get("trained_on", {})
    if isinstance(count, float) and count.is_integer():
        value["parameters"] = int(count)
    several = trained if isinstance(trained, list) else [trained]
    if all(type(one) in (str, int) for one in several):
        value["trained_on"] = [str(one) for one in several]
    return value


_CARD_FAULT = "the system's card cannot be used"


def read_system(folder: Path) -> SystemFile:
    """Read ``system.yaml``; a folder without one is a system named after the folder.

    Raises
    ------
    UsageError
        If there is no such folder.
    FaultsError
        If the file is not YAML, or has an unknown key or a value that cannot be.
    LassbenchError
        If the list of training clips beside it is no text.
    """
    if not folder.is_dir():
        raise UsageError(
            "no such prediction folder",
            where=folder,
            expected="a folder with <query_id>.wav files",
            fix="make one with `lassbench separate`",
        )
    path = folder / SYSTEM_FILE
    if not os.path.lexists(path):
        return SystemFile(name=folder.resolve().name)
    if reason := files.file_fault(path):
        raise LassbenchError(f"cannot be read: {reason}", where=path, fix="put the file there")
    found = read_yaml(path, SystemFile, what=_CARD_FAULT, prepare=as_people_write_it)
    clips = folder / CLIPS_FILE
    if clips.is_file() and not found.training_clips_sha256:
        hashes = tuple(files.read_text(clips, limit=CLIPS_LIMIT).split())
        found = found.model_copy(update={"training_clips_sha256": hashes})
    return found


def suite_answered(folder: Path) -> Suite:
    """The suite that a prediction folder was made for, as its ``system.yaml`` says.

    Raises
    ------
    UsageError
        If it names none that is there.
    """
    said = read_system(folder).suite.path
    if not said or files.file_fault(folder / said / "suite.json"):
        raise UsageError(
            "which suite do these predictions answer?",
            where=folder,
            got=f"{SYSTEM_FILE} says {folder / said if said else 'nothing'}, and there is no suite",
            fix="name it with --suite",
        )
    return load_suite(folder / said)


def write_system(folder: Path, system: SystemFile) -> None:
    """Write ``system.yaml`` (and the training clips' hashes beside it) atomically."""
    content = system.model_dump(mode="json", exclude_defaults=True)
    if hashes := content.pop("training_clips_sha256", ()):
        files.write_text(folder / CLIPS_FILE, "".join(f"{value}\n" for value in sorted(hashes)))
    write_yaml(folder / SYSTEM_FILE, content)


@dataclass(frozen=True)
class PredictionSet:
    """The usable files of a prediction folder.

    ``paths``: query_id -> file, for every query whose file's header is right.
    """

    folder: Path
    system: SystemFile
    suite: Suite
    paths: Mapping[str, Path]

    def load(self, query_id: str) -> NDArray[np.float32]:
        """The estimate for ``query_id``, as :func:`read_estimate` gives it."""
        return read_estimate(self.paths[query_id], self.suite)


def read_estimate(answer: Path | NDArray[np.float32], suite: Suite) -> NDArray[np.float32]:
    """An estimate, or that in a file whose header is right: float32, shape (samples,).

    Raises
    ------
    AudioFault
        If the file has gone, is cut short, or holds NaN or infinite samples.
    """
    if not isinstance(answer, Path):
        return answer
    sound = audio.decode(answer)
    if sound.rate != suite.sample_rate_hz or sound.samples.shape != (suite.samples,):
        got = f"{sound.samples.size} samples at {sound.rate} Hz, its header said {suite.samples}"
        raise audio.AudioFault("lying header", got, where=answer)
    return sound.samples


def check(folder: Path, suite: Suite) -> tuple[PredictionSet, list[Fault]]:
    """Compare a prediction folder with a suite, header by header.

    Returns
    -------
    tuple
        The usable predictions, and every fault found: ``missing``, ``extra``,
        ``two files``, ``name case``, ``link``, ``not a file``, ``format``,
        ``unreadable``, ``rate``, ``channels``, ``short``, ``long``.  A query whose
        file is faulty is not missing too.  Queries that this machine cannot render
        are neither expected nor extra.

    Raises
    ------
    UsageError
        If the folder is not there, or answers another suite and this one not at all.
    """
    system = read_system(folder)
    by_lower = {query_id.lower(): query_id for query_id in suite.queries}
    answers: dict[str, list[Path]] = {}
    faults = []
    for path in files.listed(folder):
        if path.name in _COMPANIONS or path.name.endswith((".lock", files.TEMPORARY_SUFFIX)):
            continue
        meant = path.stem if path.stem in suite.queries else by_lower.get(path.stem.lower())
        if meant is None or path.suffix.lower() not in SOUND_SUFFIXES:
            faults.append(Fault("extra", str(path), "answers no query of this suite"))
        else:
            answers.setdefault(meant, []).append(path)
    if not answers and (reason := belongs_elsewhere(folder, suite)):
        raise UsageError(
            f"these are predictions for another suite: {reason}",
            where=folder,
            expected=f"answers to {suite.name} ({suite.path})",
            fix="name their own suite with --suite, or the folder that answers this one",
        )
    paths: dict[str, Path] = {}
    for query_id in sorted(query.query_id for query in suite.renderable_queries):
        found = answers.get(query_id, [])
        if fault := _name_fault(folder, query_id, found) or header_fault(found[0], suite):
            faults.append(fault)
        else:
            paths[query_id] = found[0]
    return PredictionSet(folder, system, suite, paths), faults


def belongs_elsewhere(folder: Path, suite: Suite) -> str:
    """Which other suite a prediction folder answers, if most of its files do not answer ``suite``.

    Looked for where its ``system.yaml`` says, beside ``suite``, and in the dataset that
    ``suite`` was frozen from.

    Returns
    -------
    ``these ids belong to mini-test (data/suites/mini-test)``, or ``""``.
    """
    names = [path for path in files.listed(folder) if path.suffix.lower() in SOUND_SUFFIXES]
    stems = {path.stem for path in names}
    unknown = stems - suite.queries.keys()
    said = read_system(folder).suite.path
    near = [folder / said / "suite.json"] if said else []
    for around in (suite.path.parent, suite.path / suite.frozen_from.path / "suites"):
        near += files.listed(around, "[!.]*/suite.json")
    for place in near:
        if not files.file_fault(place):
            with contextlib.suppress(LassbenchError):  # damaged, or its dataset is gone
                other = load_suite(place.parent)
                if 2 * len(unknown & other.queries.keys()) > len(stems):
                    return f"these ids belong to {other.name} ({os.path.relpath(other.path)})"
    return ""


def open_predictions(folder: Path, suite: Suite) -> PredictionSet:
    """The usable predictions of ``folder``, faults or not: for looking, not for scoring."""
    return check(folder, suite)[0]


def _name_fault(folder: Path, query_id: str, found: list[Path]) -> Fault | None:
    """Why none of the files ``found`` can answer a query, as far as their names tell."""
    if not found:
        return Fault("missing", str(folder / query_id), "there is no .wav or .flac of this name")
    path, *others = found
    if others:  # which of them is meant is not for us to say: neither is scored
        reason = f"{', '.join(one.name for one in found)} answer {query_id}: keep one"
        return Fault("two files", str(path), reason)
    if path.stem != query_id:
        reason = f"names are case-sensitive: expected {query_id}.wav or .flac"
        return Fault("name case", str(path), reason)
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(folder.resolve()):
        reason = "a link that leads out of the folder; put the file itself here"
        return Fault("link", str(path), reason)
    if not path.is_file():
        return Fault("not a file", str(path), "is not a regular file, or a link to none")
    return None


def header_fault(path: Path, suite: Suite) -> Fault | None:
    """Why the file cannot answer a query of ``suite``, as far as its header tells."""
    try:
        with audio.open_sound(path) as header:
            if reason := _wrong_format(header, path):
                return Fault("format", str(path), reason)
            frames, at_least = header.frames, ""
            if frames is None:
                # Counted only so far as shows that there are too many.
                blocks = header.blocks(None, (suite.samples + 1) / header.rate)
                frames, at_least = sum(map(len, blocks)), "at least "
    except audio.AudioFault as error:
        return Fault("unreadable", str(path), error.reason)
    if header.rate != suite.sample_rate_hz:
        return Fault("rate", str(path), f"{header.rate} Hz, expected {suite.sample_rate_hz} Hz")
    if header.channels != 1:
        return Fault("channels", str(path), f"{header.channels} channels, expected 1 (mono)")
    if frames < suite.samples:
        return Fault("short", str(path), f"{frames} samples, expected {suite.samples}")
    if frames > suite.samples:
        return Fault("long", str(path), f"{at_least}{frames} samples, expected {suite.samples}")
    return None


def _wrong_format(header: audio.Reader, path: Path) -> str:
    """Why a file is no WAV or FLAC without loss, or is not named like one; else ``""``."""
    lossless = header.subtype.lower().startswith(_LOSSLESS) and "law" not in header.subtype
    codec = header.subtype.removeprefix("MPEG_LAYER_III")
    # Container and codec, said once where they are one: WAV PCM_16, MP3, AAC.
    holds = " ".join(dict.fromkeys(f"{header.kind} {codec}".upper().split()))
    if not lossless:
        return f"holds {holds}, which is lossy: convert it to WAV or FLAC"
    if header.kind not in {"wav", "flac"}:
        return f"holds {holds}: convert it to WAV or FLAC"
    return "" if path.suffix in SUFFIXES else f"holds {holds}: name it {path.stem}.{header.kind}"

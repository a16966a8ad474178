"""Suites: which queries on which mixtures, frozen.

A suite folder holds the two lists and what they were frozen from::

    suite.json      names, counts, hashes, audit, the dataset it was frozen from
    mixtures.csv    mixture_id,target_id,noise_id,snr_db
    queries.csv     query_id,mixture_id,text,tags,query_type,annotator,expects,
                    concept,root,noise_concept, and negative where a list has it
    mixtures/<mixture_id>.wav                             when exported
    references/<mixture_id>.{target,interference}.wav     when exported
    sources/<clip_id>.wav                                 of lists that are mixed here by power

Three recipes make a mixture.  ``equal peaks`` renders it from the dataset
(:func:`lassbench.benchmark.mixtures.render`), ``by power`` from ``sources/``
(:func:`~lassbench.benchmark.mixtures.mix_by_power`), and what was handed out already mixed
(``as given``) lies in ``mixtures/`` and ``references/``.  A folder that was exported with its
references stands on its own too.

Three kinds are scored differently: ``separation``; ``absent``, where silence is right; and
``unreferenced``, real recordings of which nobody has the sources.

``fingerprint`` covers the lists and the PCM of everything that could be rendered, and what
the audit found; ``list_fingerprint`` the lists alone: the second is equal for two people who
miss different clips.  Both are computed again from the lists whenever a suite is read.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lassbench import audio, files
from lassbench.benchmark.mixtures import Rendered, mix_by_power, render
from lassbench.checked import Count, Impossible, PathName, Sha256, Strict, Text, read_record
from lassbench.csv_files import read_table, split
from lassbench.dataset import Dataset, open_dataset
from lassbench.errors import LassbenchError, UsageError, did_you_mean
from lassbench.records import Expects, Mixture, Query, QueryType, decibels
from lassbench.suites.audit import Audit, Finding

SuiteKind = Literal["separation", "absent", "unreferenced"]
Recipe = Literal["equal peaks", "by power", "as given"]
Part = Literal["mixture", "target", "interference"]
PARTS: tuple[Part, ...] = get_args(Part)

# A column that every suite had would change the fingerprints of suites that exist: a new one
# stands, after the others, in the lists that use it.
LISTS = ("mixtures.csv", "queries.csv")
MIXTURE_COLUMNS = tuple(field.name for field in fields(Mixture))
QUERY_COLUMNS = tuple(field.name for field in fields(Query) if field.name != "negative")

#: What of ``suite.json`` says which lists these are, and what they are lists of.
_LISTED = (
    *("schema_version", "name", "kind", "mixtures_sha256", "queries_sha256"),
    *("sample_rate_hz", "samples"),
)


class FrozenFrom(Strict):
    """The dataset: ``path`` leads to it from the suite's folder, wherever that is."""

    name: PathName
    fingerprint: Sha256
    path: Text


class Described(Strict):
    """What ``suite.json`` holds.  Fingerprints that exist must hold: its keys stay.

    Attributes
    ----------
    samples
        Length of every mixture.
    pcm_sha256
        mixture_id -> hashes of mixture, target and interference (of an unreferenced
        suite, the mixture's alone) as float32 little-endian samples, as frozen.
    audit
        What is questionable -> the queries (:mod:`lassbench.suites.audit`).
    """

    schema_version: Literal[1]
    name: PathName
    title: Text
    kind: SuiteKind
    notes: Text
    mixtures_sha256: Sha256
    queries_sha256: Sha256
    sample_rate_hz: Annotated[int, Field(gt=0, le=384_000)]
    samples: Annotated[Count, Field(gt=0)]
    synthetic: bool
    audio_may_be_published: bool
    references_exported: bool
    frozen_from: FrozenFrom = Field(alias="dataset")
    counts: dict[Literal["mixtures", "queries", "renderable_mixtures"], Count]
    recipe: Recipe = "equal peaks"
    audit: Audit = Field(default_factory=dict)
    pcm_sha256: dict[PathName, dict[Part, Sha256]] = Field(alias="pcm")
    list_fingerprint: Sha256
    fingerprint: Sha256

    @model_validator(mode="after")
    def _hashes_are_whole(self) -> Self:
        wanted = set(PARTS[:1] if self.kind == "unreferenced" else PARTS)
        for mixture_id, hashes in self.pcm_sha256.items():
            if set(hashes) != wanted:
                raise Impossible(f"needs the hashes of {', '.join(wanted)}", "pcm", mixture_id)
        return self


class Suite(Described, arbitrary_types_allowed=True):
    """A frozen suite, ready to render.  Made by :func:`load_suite`; picklable.

    Attributes
    ----------
    mixtures, queries
        The whole frozen lists by id, in their order, whether or not this
        machine has the audio.
    missing
        mixture_id -> why it cannot be rendered here.
    """

    path: Path
    mixtures: Mapping[str, Mixture]
    queries: Mapping[str, Query]
    missing: Mapping[str, str]
    dataset: Dataset | None = Field(repr=False)

    @functools.cached_property
    def findings(self) -> Mapping[str, tuple[Finding, ...]]:
        """query_id -> what is questionable about it, for the queries of which something is."""
        found: dict[str, tuple[Finding, ...]] = {}
        for finding, query_ids in self.audit.items():
            for one in query_ids:
                found[one] = (*found.get(one, ()), finding)
        return found

    @property
    def renderable_queries(self) -> list[Query]:
        """The queries whose mixtures this machine can render, in order."""
        return [query for query in self.queries.values() if query.mixture_id not in self.missing]

    def render(self, mixture_id: str) -> Rendered:
        """Mixture, target and interference of ``mixture_id``: float32, shape (samples,).

        Raises
        ------
        LassbenchError
            If the mixture is unknown, its audio is not on this machine, or the suite
            has no references.
        """
        mixture = self._known(mixture_id)
        if self.kind == "unreferenced":
            raise LassbenchError(
                "these are real recordings: nobody has their sources",
                where=f"{self.name}: {mixture_id}",
                fix="separate them and score them with --clap; nothing here needs a reference",
            )
        if self.recipe == "by power":
            parts = [self._read(source_name(one)) for one in (mixture.target_id, mixture.noise_id)]
            return mix_by_power(*parts, snr_db=mixture.snr_db)
        if self.dataset is not None:
            return render_from_dataset(self.dataset, mixture)
        return Rendered(**{part: self._read(exported_name(mixture_id, part)) for part in PARTS})

    def mixture_samples(self, mixture_id: str) -> NDArray[np.float32]:
        """Only the mixture of ``mixture_id``: float32, shape (samples,)."""
        self._known(mixture_id)
        name = exported_name(mixture_id, "mixture")
        if (self.path / name).is_file() or self.kind == "unreferenced":
            return self._read(name)
        return self.render(mixture_id).mixture

    def _known(self, mixture_id: str) -> Mixture:
        if mixture_id not in self.mixtures:
            near = did_you_mean(mixture_id, self.mixtures)
            raise UsageError(f"no mixture {mixture_id!r} in suite {self.name}{near}")
        if mixture_id in self.missing:
            raise LassbenchError(
                f"mixture {mixture_id} cannot be rendered: {self.missing[mixture_id]}",
                where=self.path,
            )
        return self.mixtures[mixture_id]

    def _read(self, name: str) -> NDArray[np.float32]:
        path = self.path / name
        sound = audio.decode(path)
        if sound.rate != self.sample_rate_hz or sound.samples.shape != (self.samples,):
            raise LassbenchError(
                "a file of the suite is not what the suite says",
                where=path,
                expected=f"{self.samples} samples at {self.sample_rate_hz} Hz",
                got=f"{sound.samples.size} samples at {sound.rate} Hz",
                fix="freeze or import the suite again",
            )
        return sound.samples


def exported_name(mixture_id: str, part: Part) -> str:
    """Where below a suite's folder a part of a mixture is exported to."""
    where = f"mixtures/{mixture_id}" if part == "mixture" else f"references/{mixture_id}.{part}"
    return f"{where}.wav"


def source_name(clip_id: str) -> str:
    """Where below a suite's folder a sound that is mixed by power lies."""
    return f"sources/{clip_id}.wav"


def render_from_dataset(dataset: Dataset, mixture: Mixture) -> Rendered:
    """Mixture, target and interference by ``equal peaks``."""
    target, noise = dataset.samples(mixture.target_id), dataset.samples(mixture.noise_id)
    return render(target, noise, snr_db=mixture.snr_db)


def missing_mixtures(mixtures: Iterable[Mixture], dataset: Dataset) -> dict[str, str]:
    """mixture_id -> why the dataset cannot render it."""
    missing: dict[str, str] = {}
    for mixture in mixtures:
        for role, clip_id in (("noise", mixture.noise_id), ("target", mixture.target_id)):
            if clip_id not in dataset.clips:
                fault = dataset.missing.get(clip_id)
                why = fault.reason if fault else "it is not in the dataset"
                missing[mixture.mixture_id] = f"{role} {clip_id}: {why}"
    return missing


def _without_files(folder: Path, said: Described, mixtures: Iterable[Mixture]) -> dict[str, str]:
    """mixture_id -> which of its files is gone, in a folder that stands on its own."""
    there = {
        path.relative_to(folder).as_posix()
        for below in ("mixtures", "references", "sources")
        for path in files.listed(folder, f"{below}/*.wav")
    }
    missing: dict[str, str] = {}
    for one in mixtures:
        parts = said.pcm_sha256.get(one.mixture_id, {})
        needed = [exported_name(one.mixture_id, part) for part in parts]
        if parts and said.recipe == "by power":
            needed = [source_name(one.target_id), source_name(one.noise_id)]
        if gone := [name for name in needed if name not in there]:
            missing[one.mixture_id] = f"{gone[0]} is gone from the suite's folder"
    return missing


def find_suite(path: Path) -> Path:
    """The suite folder that ``path`` means: itself, or a dataset's only suite.

    Raises
    ------
    UsageError
        If there is none, or more than one.
    """
    if (path / "suite.json").is_file():
        return path
    found = [p.parent for p in files.listed(path / "suites", "[!.]*/suite.json")]
    if len(found) == 1:
        return found[0]
    raise UsageError(
        "this dataset has several suites" if found else "no suite here",
        where=path,
        expected="a suite folder (with suite.json) or a dataset folder with one suite",
        got=", ".join(map(str, found)) or ("none in it" if path.exists() else "no such folder"),
        fix="name one of them"
        if found
        else "make one with `lassbench build-dataset` and `lassbench freeze`",
    )


_UNUSABLE = "the suite cannot be used: it is damaged, edited or of another version of lassbench"
_FREEZE_AGAIN = "freeze the suite again with `lassbench freeze`"
_RESTORE = "restore the folder, or freeze a suite of your own with `lassbench freeze`"


def load_suite(path: str | Path) -> Suite:
    """Open a frozen suite and check that its lists are what they were.

    Parameters
    ----------
    path
        A suite folder, or a dataset folder that holds exactly one suite.

    Raises
    ------
    UsageError
        If there is no suite at ``path``.
    LassbenchError
        If a list was edited, or the dataset is gone or has changed.
    """
    folder = find_suite(Path(path))
    said = read_record(folder / "suite.json", Described, what=_UNUSABLE, fix=_FREEZE_AGAIN)
    for name in LISTS:
        _check_unchanged(folder / name, getattr(said, name.replace(".csv", "_sha256")))
    mixtures = {m.mixture_id: m for m in _read_mixtures(folder / "mixtures.csv", said)}
    queries = _read_queries(folder / "queries.csv", mixtures)
    _check_fingerprints(said, folder)
    dataset = _find_dataset(folder, said)
    missing = (
        missing_mixtures(mixtures.values(), dataset)
        if dataset
        else _without_files(folder, said, mixtures.values())
    )
    for one in mixtures.keys() - said.pcm_sha256.keys():
        missing.setdefault(one, "it could not be made when the suite was")
    suite = Suite.model_construct(
        **dict(said),
        path=folder,
        mixtures=mixtures,
        queries=queries,
        missing={one: missing[one] for one in mixtures if one in missing},
    )
    return suite.model_copy(update={"dataset": dataset})  # suite.json has a key of this name


def _check_unchanged(path: Path, expected: str) -> None:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise files.explain_os_error(error, path) from error
    got = files.sha256_bytes(data)
    if got == expected:
        return
    what, wanted = "this list was changed", expected
    if files.only_line_ends_differ(data, expected):
        what = "only this list's line ends or byte-order mark were changed"
        wanted += ", with LF line ends, which git and spreadsheets rewrite"
    raise LassbenchError(
        f"{what} after the suite was frozen",
        where=path,
        expected=f"SHA-256 {wanted}",
        got=f"SHA-256 {got}",
        fix=_RESTORE,
    )


def fingerprints(described: Mapping[str, Any]) -> dict[str, str]:
    """``list_fingerprint`` and ``fingerprint`` of what ``suite.json`` says, by its keys.

    SHA-256 of JSON with sorted keys: of the lists' hashes and what they mean; and of the same
    with the hashes of the audio and what the audit found, where it found anything.
    """
    listed = {key: described[key] for key in _LISTED}
    found = {finding: list(ids) for finding, ids in described["audit"].items() if ids}
    audited = {"audit": found} if found else {}
    return {
        "list_fingerprint": fingerprint(listed),
        "fingerprint": fingerprint({**listed, "pcm": described["pcm"], **audited}),
    }


def fingerprint(value: Any) -> str:
    """SHA-256 of ``value`` as JSON with sorted keys."""
    return files.sha256_bytes(files.to_json(value).encode())


def _check_fingerprints(said: Described, folder: Path) -> None:
    for name, computed in fingerprints(said.model_dump(by_alias=True)).items():
        if computed != getattr(said, name):
            raise LassbenchError(
                f"the suite is not the one that its {name} names: it was changed after it was "
                "frozen",
                where=folder / "suite.json",
                expected=f"{name} {computed}, as its lists and hashes give",
                got=getattr(said, name),
                fix=_RESTORE,
            )


def _find_dataset(folder: Path, said: Described) -> Dataset | None:
    recorded = said.frozen_from
    path = folder / recorded.path
    if not (path / "dataset.json").is_file():
        if said.references_exported:
            return None
        raise LassbenchError(
            "the dataset that this suite was frozen from is gone",
            where=folder,
            expected=f"dataset {recorded.name} at {path}",
            fix="move it back, or freeze the suite again from where the dataset lies now",
        )
    found = open_dataset(path)
    if found.fingerprint != recorded.fingerprint:
        raise LassbenchError(
            "the dataset has changed since this suite was frozen",
            where=path,
            expected=f"fingerprint {recorded.fingerprint[:16]}",
            got=f"fingerprint {found.fingerprint[:16]}",
            fix=_FREEZE_AGAIN,
        )
    return found


def _read_mixtures(path: Path, said: Described) -> Iterable[Mixture]:
    for line in read_table(path, MIXTURE_COLUMNS):
        where, row = line.where, line.cells
        if (snr_db := decibels(row["snr_db"])) is None:
            raise LassbenchError("snr_db is no number of dB", where=where, got=row["snr_db"])
        mixture_id = files.checked_name(row["mixture_id"], what="a mixture", where=where)
        mixed_here = said.recipe == "by power" and mixture_id in said.pcm_sha256
        for column in ("target_id", "noise_id") if mixed_here else ():
            files.checked_name(row[column], what="a sound in sources/", where=where)
        yield Mixture(mixture_id, row["target_id"], row["noise_id"], snr_db)


def _read_queries(path: Path, mixtures: Mapping[str, Mixture]) -> dict[str, Query]:
    queries: dict[str, Query] = {}
    for line in read_table(path, QUERY_COLUMNS):
        where, row = line.where, line.cells  # a text is asked exactly as it was frozen
        query_id = files.checked_name(row["query_id"], what="a query", where=where)
        if row["mixture_id"] not in mixtures or query_id in queries:
            known = f"query {query_id} stands twice" if query_id in queries else "unknown mixture"
            raise LassbenchError(known, where=where, got=row["mixture_id"])
        if row["query_type"] not in get_args(QueryType) or row["expects"] not in get_args(Expects):
            raise LassbenchError(
                "unknown query type", where=where, got=f"{row['query_type']}, {row['expects']}"
            )
        values: dict[str, Any] = {one.name: row.get(one.name, "") for one in fields(Query)}
        queries[query_id] = Query(**{**values, "tags": split(row["tags"])})
    return queries

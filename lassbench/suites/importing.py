r"""Lists of others become suites: their sound is found, read or mixed, and frozen.

What was handed out mixed is taken ``as given``, and the interference is mixture minus target
where no file has it: what a score calls interference is then exactly what was added.  Other
lists are mixed here ``by power`` (:func:`lassbench.benchmark.mixtures.mix_by_power`), and so
are some of the first kind where only the raw recordings are at hand.

In anybody's list (``triples``) the target may be in the mixture at another gain :math:`a`.
With mixture :math:`m`, target :math:`t` and the rest :math:`r = m - t`, sounds that have
nothing to do with each other correlate little, so a large :math:`\langle r,t\rangle /
(\|r\|\|t\|)` says that :math:`r` holds some of :math:`t`, and least squares say how much:

.. math::  a = \langle m,t\rangle / \langle t,t\rangle

Of 20,000 pairs of ESC-10 recordings of two classes, the correlation is above 0.06 in 0.1 % and
above 0.1 in one; in the ten real examples of LASS-2022, whose targets are at 0.59 to 0.87 of
the level handed out, it is 0.11 to 0.78.  The weaker a target, the less shows: a gain of 0.73
is seen in 98 % of ESC-10 pairs at -10 dB, and passes for 1 at -15 dB.  Only ``snr`` depends on
it: BSS Eval and SI-SDR do not.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from lassbench import audio, files, output_folders
from lassbench.benchmark.mixtures import Rendered, SilentSource, mix_by_power
from lassbench.benchmark.words import words_of
from lassbench.corpora.audio_folders import LONGER_BY_S, audio_files, video_ids
from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError, one_line
from lassbench.parallel import map_ordered, open_executor
from lassbench.progress import track
from lassbench.records import Mixture
from lassbench.resampling import resample
from lassbench.suites.audit import Audit, audit
from lassbench.suites.freezing import (
    describe,
    export,
    list_texts,
    refuse_taken_name,
    write_suite,
)
from lassbench.suites.lists_of_others import format_of, read_list
from lassbench.suites.lists_of_others.forms import ListFormat, ListRow, stem
from lassbench.suites.suite import (
    PARTS,
    Suite,
    exported_name,
    fingerprint,
    load_suite,
    source_name,
)

Samples = NDArray[np.float32]
Recipe = Literal["by power", "as given"]
Item = TypeVar("Item")
Result = TypeVar("Result")

#: The length of what is mixed here by another list's recipe, in seconds.
PRESUMED_SECONDS = 10.0
#: Up to this correlation with what remains, a target is taken as it is.
AS_IT_IS = 0.1
#: Gains nearer to 1 than this are 1.
NEAR_ONE = 0.01
#: Below this correlation with the mixture (-26 dB), a sound is not in it.
NOT_IN_IT = 0.05

# ---------------------------------------------------------------------------
# Where the files are
# ---------------------------------------------------------------------------

_CLIP = re.compile(r"Y([A-Za-z0-9_-]{11})")


def _parts(name: str) -> tuple[str, ...]:
    """The folders and the name of a path, in one Unicode form, whoever's system wrote it."""
    path = PurePosixPath(unicodedata.normalize("NFC", name.replace("\\", "/")))
    return tuple(part for part in path.parts if part not in ("/", "..", "."))


class AudioIndex:
    """The audio files of a folder, to any depth, by name.

    A list's name is looked up here and never becomes a path.  Suites that lie below the folder
    are passed over: theirs are copies.

    Raises
    ------
    UsageError
        If there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        self._by_stem: defaultdict[str, list[str]] = defaultdict(list)
        self._by_video: defaultdict[str, list[str]] = defaultdict(list)
        in_suites: dict[Path, bool] = {}
        for path in sorted(audio_files([str(folder)])):
            place = Path(path).parent
            if place not in in_suites:
                suite = place.parent
                in_suites[place] = suite != folder and (suite / "suite.json").is_file()
            if in_suites[place]:
                continue
            self._by_stem[stem(_parts(path)[-1])].append(path)
            for video in video_ids(path):
                self._by_video[video].append(path)

    def find(self, name: str, youtube: str = "") -> Path:
        """The file that a list calls ``name``.

        Its ending may be another one.  Of several, the one whose path shares the longest
        end with ``name`` is meant, then the one with the same ending.

        Parameters
        ----------
        youtube
            As :class:`ListFormat` has it.

        Raises
        ------
        AudioFault
            ``missing``; or ``two files for one name``, if two are as good.
        """
        wanted = _parts(name)
        if not (found := self._candidates(wanted, youtube)):
            raise audio.AudioFault("missing", f"no {one_line(name)} in the audio folder")
        good = {path: _likeness(_parts(path), wanted) for path in found}
        best = [path for path in found if good[path] == max(good.values())]
        if len({os.path.realpath(path) for path in best}) > 1:
            reason = f"{one_line(name)} may be {' or '.join(best)}"
            raise audio.AudioFault("two files for one name", reason)
        if reason := files.file_fault(Path(best[0])):
            raise audio.AudioFault("missing", f"{one_line(name)}: {reason}")
        return Path(best[0])

    def has(self, name: str, youtube: str = "") -> bool:
        """Whether any file has this name."""
        return bool(self._candidates(_parts(name), youtube))

    def _candidates(self, wanted: Sequence[str], youtube: str) -> list[str]:
        last = stem(wanted[-1]) if wanted else ""
        if youtube == "clip" and (matched := _CLIP.fullmatch(last)):
            return self._by_video.get(matched[1], [])
        names = [last, f"Y{last}", last.removeprefix("Y")] if youtube == "part" else [last]
        return next((self._by_stem[one] for one in names if one in self._by_stem), [])


def _likeness(path: Sequence[str], wanted: Sequence[str]) -> tuple[int, bool]:
    """How many folders before the name are the same, and whether the whole name is."""
    shared = 0
    for mine, yours in zip(reversed(path[:-1]), reversed(wanted[:-1]), strict=False):
        if mine != yours:
            break
        shared += 1
    return shared, path[-1] == wanted[-1]


# ---------------------------------------------------------------------------
# Reading and mixing: what one worker does
# ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _How:
    """How the sound of one suite is read and written; ``samples`` is ``None`` for the files'."""

    folder: Path
    rate_hz: int
    samples: int | None
    longest_s: float | None
    export_mixtures: bool
    any_gain: bool


@dataclass(frozen=True)
class _Made:
    """What became of one mixture, or of one source (``pcm`` has one hash then)."""

    pcm: Mapping[str, str]
    samples: int
    silent: bool = False
    identical: bool = False
    gain: float = 1.0
    adds_up: bool = True
    resampled: bool = False


def _decoded(path: Path, how: _How) -> tuple[Samples, bool]:
    """A file's sound at the suite's rate and length, and whether its rate was another."""
    if how.longest_s is not None:
        with audio.open_sound(path) as sound:
            length_s = sound.length() / sound.rate
        if length_s > how.longest_s:
            raise audio.AudioFault(
                "whole video",
                f"is {length_s:.1f} s long: a whole video, of which the list does not say "
                "where its clip begins",
                where=path,
            )
    end_s = None if how.samples is None else how.samples / how.rate_hz + audio.MARGIN_S
    heard = audio.decode(path, end_s=end_s)
    samples = resample(heard.samples, heard.rate, how.rate_hz)
    if how.samples is not None:
        samples = audio.fit(samples, how.samples)
    return samples, heard.rate != how.rate_hz


def _fault(error: LassbenchError, mixture_id: str = "") -> Fault:
    kind = error.kind if isinstance(error, audio.AudioFault) else "unusable"
    where = f"{error.where}: " if error.where else ""
    return Fault(kind, mixture_id, f"{where}{error.what}")


def gain_in(mixture: Samples, sound: Samples) -> float:
    """The gain at which ``sound`` is in ``mixture``, by the rule above; 1 if it is silent.

    Parameters
    ----------
    mixture, sound
        Of shape (samples,).

    Raises
    ------
    AudioFault
        ``not in the mixture``.
    """
    m, t = mixture.astype(np.float64), sound.astype(np.float64)
    if not (energy := float(t @ t)):
        return 1.0
    gain, rest = float(m @ t) / energy, m - t
    size = float(np.sqrt(energy))
    whole, left = float(np.linalg.norm(m)), float(np.linalg.norm(rest))
    if gain * size <= NOT_IN_IT * whole or not whole:
        told = f"correlation {gain * size / whole:.3f}" if whole else "it is silent"
        raise audio.AudioFault("not in the mixture", f"the target is not in the mixture ({told})")
    unrelated = abs(float(rest @ t)) <= AS_IT_IS * left * size
    return 1.0 if unrelated or abs(gain - 1.0) <= NEAR_ONE else gain


def _take(item: tuple[str, Sequence[Path]], how: _How) -> _Made | Fault:
    """Write what was handed out for one mixture: mixture, target, interference, as it has."""
    mixture_id, paths = item
    try:
        read = [_decoded(path, how) for path in paths]
        sounds, resampled = [sound for sound, _ in read], any(other for _, other in read)
        if len({sound.size for sound in sounds}) > 1:
            told = ", ".join(f"{p.name} {s.size}" for p, s in zip(paths, sounds, strict=True))
            raise audio.AudioFault("other length", f"different numbers of samples: {told}")
        mixture, *others = sounds
        if not others:
            path = how.folder / exported_name(mixture_id, "mixture")
            audio.write_wav_float(path, mixture, how.rate_hz)
            hashes = {"mixture": audio.pcm_sha256(mixture)}
            return _Made(hashes, mixture.size, resampled=resampled)
        gains = [gain_in(mixture, one) if how.any_gain else 1.0 for one in others]
    except LassbenchError as error:
        return _fault(error, mixture_id)
    target, *rest = [one * np.float32(gain) for one, gain in zip(others, gains, strict=True)]
    left = mixture.astype(np.float64) - target
    interference = rest[0] if rest else left.astype(np.float32)
    pcm = export(
        Rendered(mixture, target, interference), how.folder, mixture_id, PARTS, how.rate_hz
    )
    return _Made(
        pcm,
        mixture.size,
        silent=not (target.any() and interference.any()),
        identical=pcm["target"] == pcm["interference"],
        gain=gains[0],
        adds_up=float(np.sum((left - interference) ** 2)) <= 1e-4 * float(np.sum(left**2)),
        resampled=resampled,
    )


def _store(item: tuple[str, Path], how: _How) -> _Made | Fault:
    """Write one sound that is mixed by power, once."""
    clip_id, path = item
    try:
        samples, _ = _decoded(path, how)
    except LassbenchError as error:
        return _fault(error)
    audio.write_wav_float(how.folder / source_name(clip_id), samples, how.rate_hz)
    hashes = {"source": audio.pcm_sha256(samples)}
    return _Made(hashes, samples.size, silent=not samples.any())


def _mix(mixture: Mixture, how: _How) -> _Made | Fault:
    """Mix two stored sounds."""
    sounds = [
        audio.decode(how.folder / source_name(one)).samples
        for one in (mixture.target_id, mixture.noise_id)
    ]
    try:
        rendered = mix_by_power(*sounds, snr_db=mixture.snr_db)
    except SilentSource as error:
        return Fault("silent", mixture.mixture_id, error.what)
    parts = PARTS[:1] if how.export_mixtures else ()
    pcm = export(rendered, how.folder, mixture.mixture_id, parts, how.rate_hz)
    return _Made(pcm, rendered.mixture.size)


# ---------------------------------------------------------------------------
# A whole list
# ---------------------------------------------------------------------------


@dataclass
class _Import:
    """One import: what is known before any sound is read, and what became of it."""

    kind: str
    name: str
    form: ListFormat
    rows: Sequence[ListRow]
    recipe: Recipe
    paths: Mapping[str, tuple[Path, ...]]
    faults: list[Fault]
    made: dict[str, _Made] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)

    @property
    def mixtures(self) -> dict[str, Mixture]:
        """Every mixture of the list once, in its order."""
        return {row.mixture.mixture_id: row.mixture for row in self.rows}

    def take(self, how: _How, executor: Executor | None) -> None:
        """Take every mixture as it was handed out."""
        items = list(self.paths.items())
        for (mixture_id, _), result in self._map(executor, partial(_take, how=how), items):
            self._keep(mixture_id, result)

    def mix(self, how: _How, executor: Executor | None) -> None:
        """Store every sound once, then mix."""
        mixtures = self.mixtures
        where: dict[str, Path] = {}
        for mixture_id, (source, noise) in self.paths.items():
            one = mixtures[mixture_id]
            where |= {one.target_id: source, one.noise_id: noise}
        stored: dict[str, _Made] = {}
        bad: dict[str, Fault] = {}
        items = list(where.items())
        for (clip_id, _), sound in self._map(executor, partial(_store, how=how), items):
            if isinstance(sound, Fault):
                bad[clip_id] = sound
            else:
                stored[clip_id] = sound
        _one_length({clip_id: sound.samples for clip_id, sound in stored.items()})
        todo: list[Mixture] = []
        for mixture_id in self.paths:
            one = mixtures[mixture_id]
            both = one.target_id, one.noise_id
            if fault := next((bad[clip_id] for clip_id in both if clip_id in bad), None):
                self._keep(mixture_id, Fault(fault.kind, mixture_id, fault.reason))
            else:
                todo.append(one)
                self.silent |= {mixture_id} if any(stored[c].silent for c in both) else set()
        used: set[str] = set()
        for one, result in self._map(executor, partial(_mix, how=how), todo):
            if isinstance(result, _Made):
                a, b = stored[one.target_id], stored[one.noise_id]
                used |= {one.target_id, one.noise_id}
                result = replace(result, identical=a.pcm == b.pcm)
            self._keep(one.mixture_id, result)
        for clip_id in stored.keys() - used:
            (how.folder / source_name(clip_id)).unlink()

    def _map(
        self,
        executor: Executor | None,
        function: Callable[[Item], Result],
        items: Sequence[Item],
    ) -> Iterable[tuple[Item, Result]]:
        made = track(map_ordered(executor, function, items), f"importing {self.name}", len(items))
        return zip(items, made, strict=True)

    def _keep(self, mixture_id: str, result: _Made | Fault) -> None:
        if isinstance(result, Fault):
            self.faults.append(result)
        else:
            self.made[mixture_id] = result
            self.silent |= {mixture_id} if result.silent else set()

    def lists(self) -> dict[str, str]:
        """The texts of the suite's two lists."""
        classes = {row.mixture.target_id: row.query.concept for row in self.rows}
        return list_texts(
            self.mixtures.values(),
            (
                (row.query, "", row.noise_concept or classes.get(row.mixture.noise_id, ""))
                for row in self.rows
            ),
        )

    def audit(self) -> Audit:
        """What is questionable, as far as list and sound tell; of real recordings, nothing."""
        if self.form.kind == "unreferenced":
            return {}
        labels: defaultdict[str, set[str]] = defaultdict(set)
        for row in self.rows:
            labels[row.mixture.target_id].update(row.query.tags)
            labels[row.mixture.noise_id].update(row.noise_labels)
        known = {clip_id: sorted(names) for clip_id, names in labels.items() if names}
        return audit(
            self.mixtures.values(),
            [row.query for row in self.rows],
            labels=known,
            words={clip_id: words_of("", names) for clip_id, names in known.items()},
            identical={mixture_id for mixture_id, one in self.made.items() if one.identical},
            silent=self.silent,
        )

    def notes(self) -> list[str]:
        """What the card says of how the mixtures came about, a sentence each."""
        form, made = self.form, self.made.values()
        notes = [f"list format {self.kind}, from {form.published}"]
        if form.average:
            told = f"its authors take the {form.average}"
            notes.append(f"{told}, and their SDR is {form.their_sdr!r} here")
        if self.recipe == "by power":
            notes.append("mixed here from recordings, at the SNR of snr_db by power")
            if form.presumed:
                notes.append("recipe presumed: its authors' own mixer is not published")
        elif form.kind == "separation":
            notes.append("mixtures as handed out; snr_db is 0, since the list gives none")
        scaled = [one.gain for one in made if one.gain != 1.0]
        if scaled:
            notes.append(
                f"{len(scaled)} of {len(made)} targets stood at another gain and were scaled by "
                f"least squares, by {min(scaled):.3g} to {max(scaled):.3g}"
            )
        if apart := sum(not one.adds_up for one in made):
            notes.append(f"in {apart}, target and interference do not add up to the mixture")
        resampled = sum(one.resampled for one in made)
        if resampled and self.recipe == "as given":
            notes.append(f"{resampled} mixtures have files at another rate, resampled")
        if form.kind == "unreferenced":
            notes.append(self._twins())
        return notes

    def _twins(self) -> str:
        """How many recordings that the list has under several names are the same samples."""
        hashes: defaultdict[str, list[str]] = defaultdict(list)
        for mixture_id, mixture in self.mixtures.items():
            if mixture_id in self.made:
                hashes[mixture.target_id].append(self.made[mixture_id].pcm["mixture"])
        several = [of_one for of_one in hashes.values() if len(of_one) > 1]
        same = sum(len(set(of_one)) == 1 for of_one in several)
        return (
            f"nobody has the sources; {len(hashes)} recordings, and of {len(several)} under "
            f"two names {same} have the same samples under both"
        )


def _find(
    rows: Iterable[ListRow], index: AudioIndex, form: ListFormat, recipe: Recipe
) -> tuple[dict[str, tuple[Path, ...]], list[Fault]]:
    """The files of each mixture, and why the others have none."""
    paths: dict[str, tuple[Path, ...]] = {}
    faults: dict[str, Fault] = {}
    for row in rows:
        mixture_id, mixture = row.mixture.mixture_id, row.mixture
        if mixture_id in paths or mixture_id in faults:
            continue
        names = row.raw if recipe == "by power" else row.given
        youtube = form.youtube if recipe == "by power" else ""
        try:
            if recipe == "by power":
                for clip_id in (mixture.target_id, mixture.noise_id):
                    if reason := files.name_fault(clip_id):
                        said = f"{one_line(clip_id, 100)!r} {reason}"
                        raise audio.AudioFault("name", f"the name of a source, {said}")
            found = tuple(index.find(name, youtube) for name in names)
            if len(set(found)) < len(set(names)):
                reason = f"only {found[0]} for {' and '.join(map(one_line, names))}"
                raise audio.AudioFault("missing", reason)
        except audio.AudioFault as error:
            faults[mixture_id] = _fault(error, mixture_id)
        else:
            paths[mixture_id] = found
    return paths, list(faults.values())


def _recipe(rows: Sequence[ListRow], index: AudioIndex, form: ListFormat) -> Recipe:
    """By power where the list says so, or has only its raw recordings here."""
    if form.recipe == "by power":
        return "by power"
    if any(index.has(name) for row in rows for name in row.given):
        return "as given"
    raw = any(index.has(name, form.youtube) for row in rows for name in row.raw)
    return "by power" if raw else "as given"


def _first_rate(paths: Iterable[Sequence[Path]]) -> int:
    """The rate of the first mixture that can be opened."""
    for first, *_ in paths:
        try:
            with audio.open_sound(first) as sound:
                return sound.rate
        except audio.AudioFault:
            continue
    return 1  # nothing can be opened, and reading it says why


@dataclass(frozen=True)
class Imported:
    """An imported suite, how it came about, and the mixtures that could not be made."""

    suite: Suite
    notes: tuple[str, ...]
    faults: tuple[Fault, ...]


def import_suite(
    list_path: Path,
    audio_dir: Path,
    out: Path,
    *,
    kind: str,
    name: str = "",
    seconds: float | None = None,
    rate: int | None = None,
    export_mixtures: bool = True,
    workers: int | None = 1,
) -> Imported:
    """Make a suite folder, which stands on its own, from a list and its audio.

    Parameters
    ----------
    kind
        The format, one of :data:`lassbench.suites.lists_of_others.FORMATS`.
    name
        By default ``kind``; of anybody's list, the name of its file.
    seconds
        Cut or zero-pad everything to this length; by default the list's, or the files' where
        it has none, which must then all have the same.
    rate
        In Hz; by default the list's, or that of the first mixture where it has none.  What
        has another is resampled.
    export_mixtures
        Write the mixtures of a list that is mixed here, for systems that want files.
    workers
        Processes.

    Raises
    ------
    UsageError
        If an option cannot be, or the name is another list's.
    LassbenchError
        If the list, the folder or not one mixture can be used, or lengths differ.
    """
    form = format_of(kind)
    own = list_path.name.removesuffix(".gz").removesuffix(".csv")
    name = name or (kind if form.rows else files.name_of(own))
    files.checked_name(name, what="the suite", fix="give another --name", error=UsageError)
    refuse_taken_name(name, but=kind, fix="give another --name")
    _check_options(seconds, rate)
    rows = read_list(list_path, kind, name=name)
    index = AudioIndex(audio_dir)
    recipe = _recipe(rows, index, form)
    if recipe == "as given" and not export_mixtures:
        raise UsageError(
            f"{kind} is taken as it was handed out: without its audio there is no suite",
            fix="leave --no-audio away",
        )
    paths, faults = _find(rows, index, form, recipe)
    doing = _Import(kind, name, form, rows, recipe, paths, faults)
    mixed = recipe == "by power"
    length_s = seconds or form.seconds or (PRESUMED_SECONDS if mixed and form.presumed else None)
    rate_hz = rate or form.rate_hz or _first_rate(paths.values())

    def build(folder: Path) -> None:
        how = _How(
            folder,
            rate_hz,
            samples=None if length_s is None else round(length_s * rate_hz),
            longest_s=PRESUMED_SECONDS + LONGER_BY_S if mixed and form.youtube == "clip" else None,
            export_mixtures=export_mixtures,
            any_gain=form.any_gain,
        )
        with open_executor(workers) as executor:
            (doing.mix if mixed else doing.take)(how, executor)
        if not doing.made:
            what = "not one mixture of the list can be made"
            raise FaultsError(what, doing.faults, where=audio_dir, fix="check --audio-dir")
        write_suite(folder, lists := doing.lists(), _described(doing, lists, rate_hz))

    output_folders.replace_folder(
        out, build, what="the suite", mark="suite.json", needs=[list_path, audio_dir]
    )
    return Imported(load_suite(out), tuple(doing.notes()), tuple(doing.faults))


def _check_options(seconds: float | None, rate: int | None) -> None:
    for option, value, least, most in (
        ("--seconds", seconds, 0.01, 3600),
        ("--rate", rate, 1000, 384_000),
    ):
        if value is not None and not least <= value <= most:
            raise UsageError(
                f"{option} cannot be {value}", expected=f"{least} to {most}", fix="correct it"
            )


def _described(doing: _Import, lists: Mapping[str, str], rate_hz: int) -> dict[str, Any]:
    pcm = {mixture_id: one.pcm for mixture_id, one in doing.made.items()}
    return describe(
        lists,
        pcm,
        name=doing.name,
        kind=doing.form.kind,
        sample_rate_hz=rate_hz,
        samples=_one_length({one: made.samples for one, made in doing.made.items()}),
        title=doing.form.title if doing.form.rows else doing.name,
        notes="; ".join(doing.notes()),
        synthetic=False,
        audio_may_be_published=False,
        references_exported=True,
        recipe=doing.recipe,
        audit=doing.audit(),
        dataset={"path": ".", "name": doing.kind, "fingerprint": fingerprint(pcm)},
        counts={
            "mixtures": len(doing.mixtures),
            "queries": len(doing.rows),
            "renderable_mixtures": len(pcm),
        },
    )


def _one_length(sizes: Mapping[str, int]) -> int:
    """The length that all have; 0 of none."""
    first, length = next(iter(sizes.items()), ("", 0))
    others = [
        Fault("other length", one, f"{size} samples; {first} has {length}")
        for one, size in sizes.items()
        if size != length
    ]
    if others:
        raise FaultsError(
            "the mixtures have different lengths",
            others,
            fix="give --seconds to cut or zero-pad all of them",
        )
    return length

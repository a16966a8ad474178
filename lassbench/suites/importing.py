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

A target that stands in the mixture earlier or later than in its file is no reference for it,
and is refused.  It shows in the correlation of :math:`m` with :math:`t` at every lag: in 540
pairs of ESC-10 recordings it was largest at lag 0 at SNRs of 10, 0 and -10 dB, and at -20 dB
elsewhere in 7 %, by at most 0.006; delayed by 1, 8 and 64 samples at 0 dB, it was largest at
that lag in all, by more than 0.02 in most.
"""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lassbench import audio, files, output_folders
from lassbench.benchmark.mixtures import Rendered, mix_by_power
from lassbench.corpora.audio_folders import LONGER_BY_S, audio_files, video_ids
from lassbench.errors import Fault, FaultsError, UsageError, one_line
from lassbench.parallel import map_ordered, open_executor
from lassbench.progress import track
from lassbench.records import Clip, Mixture
from lassbench.resampling import resample
from lassbench.suites.freezing import SuitePlan, export, refuse_taken_name, write_suite
from lassbench.suites.lists_of_others import FORMATS, read_list
from lassbench.suites.lists_of_others.forms import ListFormat, ListRow, Recipe, stem
from lassbench.suites.suite import (
    PARTS,
    Suite,
    exported_name,
    fingerprint,
    load_suite,
    source_name,
)

Samples = NDArray[np.float32]
Key = TypeVar("Key")

#: The length of what is mixed here by another list's recipe, in seconds.
PRESUMED_SECONDS = 10.0
#: Up to this correlation with what remains, a target is taken as it is.
AS_IT_IS = 0.1
#: Gains nearer to 1 than this are 1.
NEAR_ONE = 0.01
#: Below this correlation with the mixture (-26 dB), a sound is not in it.
NOT_IN_IT = 0.05
#: A correlation that is larger by more than this at another lag shows a delay.
DELAYED = 0.02

#: The folders and the name of a path.
Parts = tuple[str, ...]
#: How many folders before the name are the same, and whether the whole name is.
Likeness = tuple[int, bool]


def _parts(name: str) -> Parts:
    """The parts of a path, in one Unicode form, whoever's system wrote it."""
    path = PurePosixPath(unicodedata.normalize("NFC", name.replace("\\", "/")))
    return tuple(part for part in path.parts if part not in ("/", "..", "."))


def _likeness(path: Parts, wanted: Parts) -> Likeness:
    same = (mine == yours for mine, yours in zip(path[-2::-1], wanted[-2::-1], strict=False))
    return sum(takewhile(bool, same)), path[-1] == wanted[-1]


def _most_alike(likeness: Mapping[Key, Likeness]) -> list[Key]:
    most = max(likeness.values())
    return [key for key, value in likeness.items() if value == most]


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
        self._by_id: defaultdict[str, list[str]] = defaultdict(list)
        for path in sorted(audio_files([str(folder)])):
            above = Path(path).parent.parent
            if above != folder and (above / "suite.json").is_file():
                continue
            name = stem(_parts(path)[-1])
            self._by_stem[name].append(path)
            for key in {name.removeprefix("Y"), *video_ids(path)}:
                self._by_id[key].append(path)

    def find(self, name: str, *, youtube: bool = False) -> Path:
        """The file that a list calls ``name``.

        Its ending may be another one.  Of several, the one whose path shares the longest
        end with ``name`` is meant, then the one with the same ending.

        Parameters
        ----------
        youtube
            Whether it is named for a video, by any of the names of
            :mod:`lassbench.corpora.audio_folders`.

        Raises
        ------
        AudioFault
            ``missing``; or ``two files for one name``, if two are as good.
        """
        wanted = _parts(name)
        last = stem(wanted[-1]) if wanted else ""
        known, key = (self._by_id, last.removeprefix("Y")) if youtube else (self._by_stem, last)
        if not (found := known.get(key)):
            raise audio.AudioFault("missing", f"no {one_line(name)} in the audio folder")
        best = _most_alike({path: _likeness(_parts(path), wanted) for path in found})
        if len({os.path.realpath(path) for path in best}) > 1:
            reason = f"{one_line(name)} may be {' or '.join(best)}"
            raise audio.AudioFault("two files for one name", reason)
        if reason := files.file_fault(Path(best[0])):
            raise audio.AudioFault("missing", f"{one_line(name)}: {reason}")
        return Path(best[0])

    def find_all(
        self, names: Iterable[str], *, youtube: bool = False
    ) -> dict[str, Path | audio.AudioFault]:
        """The file of each of a list's names, or why it has none.

        Where a list tells files apart by their folders, one that is not here must not be taken
        for one that is: a file belongs to the name that it fits best.
        """
        found: dict[str, Path | audio.AudioFault] = {}
        claims: defaultdict[Path, dict[Parts, Likeness]] = defaultdict(dict)
        for name in names:
            try:
                path = found[name] = self.find(name, youtube=youtube)
                claims[path][_parts(name)] = _likeness(_parts(str(path)), _parts(name))
            except audio.AudioFault as error:
                found[name] = error
        owners = {path: _most_alike(likeness) for path, likeness in claims.items()}
        for name, one in found.items():
            if isinstance(one, Path) and owners[one] != [_parts(name)]:
                others = " or ".join("/".join(parts) for parts in owners[one][:2])
                reason = f"no {one_line(name)} in the audio folder: {one} is {others}"
                found[name] = audio.AudioFault("missing", reason)
        return found


@dataclass(frozen=True)
class _How:
    """How one suite is made; ``samples`` is ``None`` for the length of the files."""

    folder: Path
    kind: str
    name: str
    form: ListFormat
    recipe: Recipe
    rate_hz: int
    samples: int | None
    export_mixtures: bool


@dataclass(frozen=True)
class _Made:
    """What became of one mixture; ``pcm`` has the hashes of its parts."""

    pcm: Mapping[str, str]
    samples: int
    silent: bool = False
    identical: bool = False
    gain: float = 1.0
    adds_up: bool = True


def _decoded(path: Path, how: _How) -> Samples:
    """A file's sound at the suite's rate and length."""
    if how.recipe == "by power" and how.form.youtube == "clip":
        with audio.open_sound(path) as sound:
            length_s = sound.length() / sound.rate
        if length_s > PRESUMED_SECONDS + LONGER_BY_S:
            raise audio.AudioFault(
                "whole video",
                f"is {length_s:.1f} s long: a whole video, of which the list does not say "
                "where its clip begins",
                where=path,
            )
    end_s = None if how.samples is None else how.samples / how.rate_hz + audio.MARGIN_S
    heard = audio.decode(path, end_s=end_s)
    samples = resample(heard.samples, heard.rate, how.rate_hz)
    return samples if how.samples is None else audio.fit(samples, how.samples)


def gain_in(mixture: Samples, sound: Samples) -> float:
    """The gain at which ``sound`` is in ``mixture``, by the rule above; 1 if it is silent.

    Parameters
    ----------
    mixture, sound
        Of shape (samples,).

    Raises
    ------
    AudioFault
        ``not in the mixture``, or ``delayed`` in it.
    """
    from scipy.signal import correlate

    m, t = mixture.astype(np.float64), sound.astype(np.float64)
    if not (energy := float(t @ t)):
        return 1.0
    gain, rest = float(m @ t) / energy, m - t
    size = float(np.sqrt(energy))
    whole, left = float(np.linalg.norm(m)), float(np.linalg.norm(rest))
    at_lag = correlate(m, t, method="fft")
    lag = int(at_lag.argmax()) - (t.size - 1)
    best = float(at_lag.max())
    if best > AS_IT_IS * whole * size and best - float(m @ t) > DELAYED * whole * size:
        told = f"the target stands {abs(lag)} samples {'later' if lag > 0 else 'earlier'}"
        raise audio.AudioFault("delayed", f"{told} in the mixture than in its file")
    if gain * size <= NOT_IN_IT * whole or not whole:
        told = f"correlation {gain * size / whole:.3f}" if whole else "it is silent"
        raise audio.AudioFault("not in the mixture", f"the target is not in the mixture ({told})")
    unrelated = abs(float(rest @ t)) <= AS_IT_IS * left * size
    return 1.0 if unrelated or abs(gain - 1.0) <= NEAR_ONE else gain


def _check_lengths(sounds: Mapping[str, Samples], paths: Mapping[str, Path]) -> None:
    if len({sound.size for sound in sounds.values()}) > 1:
        sizes = ", ".join(f"{paths[key].name} {sound.size}" for key, sound in sounds.items())
        reason = f"different numbers of samples, where --seconds would make one length: {sizes}"
        raise audio.AudioFault("other length", reason)


def _take(mixture: Mixture, paths: Mapping[str, Path], how: _How) -> _Made:
    """Write what was handed out for one mixture: mixture, target, interference, as it has."""
    heard = {part: _decoded(path, how) for part, path in paths.items()}
    _check_lengths(heard, paths)
    mixed, *others = heard.values()
    if not others:
        path = how.folder / exported_name(mixture.mixture_id, "mixture")
        audio.write_wav_float(path, mixed, how.rate_hz)
        return _Made({"mixture": audio.pcm_sha256(mixed)}, mixed.size)
    gains = [gain_in(mixed, one) if how.form.any_gain else 1.0 for one in others]
    target, *rest = [one * np.float32(gain) for one, gain in zip(others, gains, strict=True)]
    left = mixed.astype(np.float64) - target
    interference = rest[0] if rest else left.astype(np.float32)
    rendered = Rendered(mixed, target, interference)
    return _Made(
        export(rendered, how.folder, mixture.mixture_id, PARTS, how.rate_hz),
        mixed.size,
        silent=not (target.any() and interference.any()),
        identical=np.array_equal(target, interference),
        gain=gains[0],
        adds_up=float(np.sum((left - interference) ** 2)) <= 1e-4 * float(np.sum(left**2)),
    )


def _mix(mixture: Mixture, paths: Mapping[str, Path], how: _How) -> _Made:
    """Mix two sounds, each of which the first mixture that has it keeps for the others."""
    kept = {one: how.folder / source_name(one) for one in paths}
    new = [one for one in paths if not kept[one].is_file()]
    sounds = {
        one: _decoded(path, how) if one in new else audio.decode(kept[one]).samples
        for one, path in paths.items()
    }
    _check_lengths(sounds, paths)
    for one in new:
        audio.write_wav_float(kept[one], sounds[one], how.rate_hz)
    source, noise = sounds[mixture.target_id], sounds[mixture.noise_id]
    rendered = mix_by_power(source, noise, snr_db=mixture.snr_db)
    parts = PARTS[:1] if how.export_mixtures else ()
    return _Made(
        export(rendered, how.folder, mixture.mixture_id, parts, how.rate_hz),
        source.size,
        silent=not (source.any() and noise.any()),
        identical=np.array_equal(source, noise),
    )


def _attempt(item: tuple[Mixture, Mapping[str, Path]], how: _How) -> _Made | Fault:
    """What became of one mixture, or what is wrong with its sound."""
    try:
        return (_mix if how.recipe == "by power" else _take)(*item, how)
    except audio.AudioFault as error:
        where = f"{error.where}: " if error.where else ""
        return Fault(error.kind, item[0].mixture_id, f"{where}{error.what}")


def _files_of(
    rows: Mapping[str, ListRow], index: AudioIndex, form: ListFormat, recipe: Recipe
) -> tuple[dict[str, dict[str, Path]], dict[str, Fault]]:
    """The files of each mixture, by part or by the ids of the two sounds, or what is lacking."""
    mixed = recipe == "by power"
    names = {key: row.raw if mixed else row.given for key, row in rows.items()}
    every = (name for of_one in names.values() for name in of_one)
    files_of = index.find_all(every, youtube=mixed and bool(form.youtube))
    found: dict[str, dict[str, Path]] = {}
    faults: dict[str, Fault] = {}
    for mixture_id, row in rows.items():
        parts = (row.mixture.target_id, row.mixture.noise_id) if mixed else PARTS
        for part, name in zip(parts, names[mixture_id], strict=False):
            one = files_of[name]
            if mixed and (reason := files.name_fault(part)):
                said = f"the name of a source, {one_line(part, 100)!r} {reason}"
                one = audio.AudioFault("name", said)
            if isinstance(one, Path):
                found.setdefault(mixture_id, {})[part] = one
            else:
                faults[mixture_id] = one.fault(mixture_id)
    return {key: paths for key, paths in found.items() if key not in faults}, faults


def _notes(rows: int, how: _How, made: Collection[_Made]) -> Iterator[str]:
    """What the card says of how the mixtures came about, a sentence each."""
    form = how.form
    yield f"list format {how.kind}, from {form.published}"
    if form.average:
        yield f"its authors take the {form.average}, and their SDR is {form.their_sdr!r} here"
    if form.kind == "unreferenced":
        yield "real recordings: nobody has the sources"
    elif how.recipe == "as given":
        yield "mixtures as handed out; snr_db is 0, since the list gives none"
    else:
        yield "mixed here from recordings, at the SNR of snr_db by power"
        if form.presumed:
            yield "recipe presumed: its authors' own mixer is not published"
    if scaled := [one.gain for one in made if one.gain != 1.0]:
        yield (
            f"{len(scaled)} of {len(made)} targets stood at another gain and were scaled by "
            f"least squares, by {min(scaled):.3g} to {max(scaled):.3g}"
        )
    if apart := sum(not one.adds_up for one in made):
        yield f"in {apart}, target and interference do not add up to the mixture"
    if form.rows not in (0, rows):
        yield f"{rows} rows, where the published list has {form.rows}"


def _write(rows: Sequence[ListRow], how: _How, made: Mapping[str, _Made]) -> list[str]:
    """Write lists and card of what was made; the notes on the card."""
    labels: defaultdict[str, set[str]] = defaultdict(set)
    concepts: dict[str, str] = {}
    for row in rows:
        labels[row.mixture.target_id].update(row.query.tags)
        labels[row.mixture.noise_id].update(row.noise_labels)
        concepts[row.mixture.target_id] = row.query.concept
        noise = row.noise_labels[0] if row.query.concept and row.noise_labels else ""
        concepts.setdefault(row.mixture.noise_id, noise)
    notes = list(_notes(len(rows), how, made.values()))
    plan = SuitePlan(
        how.name,
        how.form.title if how.form.rows else how.name,
        how.form.kind,
        list({row.mixture.mixture_id: row.mixture for row in rows}.values()),
        [row.query for row in rows],
        {one: Clip(one, concepts[one], "test", (), tuple(sorted(labels[one]))) for one in labels},
        "; ".join(notes),
    )
    pcm = {mixture_id: one.pcm for mixture_id, one in made.items()}
    write_suite(
        how.folder,
        plan,
        pcm=pcm,
        identical={mixture_id for mixture_id, one in made.items() if one.identical},
        silent={mixture_id for mixture_id, one in made.items() if one.silent},
        sample_rate_hz=how.rate_hz,
        samples=_one_length({mixture_id: one.samples for mixture_id, one in made.items()}),
        synthetic=False,
        audio_may_be_published=False,
        references_exported=True,
        recipe=how.recipe,
        dataset={"path": ".", "name": how.kind, "fingerprint": fingerprint(pcm)},
    )
    return notes


def _one_length(sizes: Mapping[str, int]) -> int:
    """The length that all have."""
    first, length = next(iter(sizes.items()), ("", 0))
    others = [
        Fault("other length", one, f"{size} samples; {first} has {length}")
        for one, size in sizes.items()
        if size != length
    ]
    if others:
        fix = "give --seconds to cut or zero-pad all of them"
        raise FaultsError("the mixtures have different lengths", others, fix=fix)
    return length


def _first_rate(paths: Iterable[Mapping[str, Path]]) -> int:
    """The rate of the first mixture that can be opened."""
    for found in paths:
        with suppress(audio.AudioFault), audio.open_sound(next(iter(found.values()))) as sound:
            return sound.rate
    return 1  # nothing can be opened, and reading it says why


def _check_options(seconds: float | None, rate: int | None) -> None:
    for option, value, least, most in (
        ("--seconds", seconds, 0.01, 3600),
        ("--rate", rate, 1000, 384_000),
    ):
        if value is not None and not least <= value <= most:
            raise UsageError(
                f"{option} cannot be {value}", expected=f"{least} to {most}", fix="correct it"
            )


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

    Raises
    ------
    UsageError
        If an option cannot be, or the name is another list's.
    LassbenchError
        If the list, the folder or not one mixture can be used, or lengths differ.
    """
    form = FORMATS[kind]
    own = list_path.name.removesuffix(".gz").removesuffix(".csv")
    name = name or (kind if form.rows else files.name_of(own))
    files.checked_name(name, what="the suite", fix="give another --name", error=UsageError)
    refuse_taken_name(name, but=kind, fix="give another --name")
    _check_options(seconds, rate)
    rows = read_list(list_path, kind, name=name)
    of_mixture = {row.mixture.mixture_id: row for row in rows}
    index = AudioIndex(audio_dir)
    ways = [(recipe, *_files_of(of_mixture, index, form, recipe)) for recipe in form.recipes]
    recipe, paths, lost = next((way for way in ways if way[1]), ways[0])
    if recipe == "as given" and not export_mixtures:
        raise UsageError(
            f"{kind} is taken as it was handed out: without its audio there is no suite",
            fix="leave --no-audio away",
        )
    presumed_s = PRESUMED_SECONDS if recipe == "by power" and form.presumed else None
    length_s = seconds or form.seconds or presumed_s
    rate_hz = rate or form.rate_hz or _first_rate(paths.values())
    samples = None if length_s is None else round(length_s * rate_hz)
    faults, notes = list(lost.values()), list[str]()

    def build(folder: Path) -> None:
        how = _How(folder, kind, name, form, recipe, rate_hz, samples, export_mixtures)
        todo = [(of_mixture[one].mixture, paths[one]) for one in paths]
        with open_executor(workers) as executor:
            attempts = map_ordered(executor, partial(_attempt, how=how), todo)
            results = list(track(attempts, f"importing {name}", len(todo)))
        made = {key: one for key, one in zip(paths, results, strict=True) if isinstance(one, _Made)}
        faults.extend(one for one in results if isinstance(one, Fault))
        if not made:
            what = "not one mixture of the list can be made"
            raise FaultsError(what, faults, where=audio_dir, fix="check --audio-dir")
        notes.extend(_write(rows, how, made))

    output_folders.replace_folder(
        out, build, what="the suite", mark="suite.json", needs=[list_path, audio_dir]
    )
    return Imported(load_suite(out), tuple(notes), tuple(faults))

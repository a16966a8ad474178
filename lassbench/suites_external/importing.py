"""From a list and its audio to a suite folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from lassbench import audio, files, output_folders
from lassbench.errors import Fault, FaultsError, LassbenchError, UsageError
from lassbench.freezing import describe, export, fingerprint, list_texts, write_suite
from lassbench.mixtures import Rendered
from lassbench.parallel import map_ordered, open_executor
from lassbench.progress import track
from lassbench.resampling import resample
from lassbench.suites import PARTS, Suite, load_suite
from lassbench.suites_external.lists import ExternalRow, list_format, read_list

Samples = NDArray[np.float32]


def mix_by_power(source: Samples, noise: Samples, *, snr_db: float) -> Rendered:
    """Mix as DCASE 2024 Task 9's evaluator does (equations above), in float64.

    Parameters
    ----------
    source, noise
        Shape (samples,), full scale 1.
    snr_db
        Power of the source over that of the noise, in dB.

    Raises
    ------
    LassbenchError
        If the lengths differ or one of the two is silent.
    """
    if source.shape != noise.shape:
        raise LassbenchError(
            "source and noise must have the same length",
            expected=f"{source.shape}",
            got=f"{noise.shape}",
        )
    source_64, noise_64 = source.astype(np.float64), noise.astype(np.float64)
    powers = float(np.mean(source_64**2)), float(np.mean(noise_64**2))
    if not all(powers):
        which = "source" if not powers[0] else "noise"
        raise LassbenchError(f"the {which} is silent: there is no power to scale by")
    noise_64 *= np.sqrt(powers[0] / (10.0 ** (snr_db / 10.0) * powers[1]))
    mixture = source_64 + noise_64
    peak = float(np.abs(mixture).max())
    gain = 0.9 / peak if peak > 1.0 else 1.0
    return Rendered(
        mixture=(mixture * gain).astype(np.float32),
        target=(source_64 * gain).astype(np.float32),
        interference=(noise_64 * gain).astype(np.float32),
    )


def find_audio(folder: Path, name: str) -> Path:
    """A file of a list in its folder: under its path, or the longest end of it that is there.

    Raises
    ------
    AudioFault
        ``missing``, if there is none.
    """
    told = f"no {name} in the audio folder"
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", "..", ".")]
    for start in range(len(parts)):
        path = files.find_inside(folder, "/".join(parts[start:]))
        reason = files.file_fault(path)
        if not reason:
            return path
        if reason != files.NO_SUCH_FILE:
            told = f"{name}: {reason}"
    raise audio.AudioFault("missing", told)


@dataclass(frozen=True)
class _Piece:
    """Renders one row, writes its three files, returns their hashes (or why it cannot)."""

    folder: Path
    out: Path
    rate: int
    samples: int | None

    def __call__(self, row: ExternalRow) -> tuple[dict[str, str], int] | Fault:
        try:
            rendered = self._render(row)
        except LassbenchError as error:
            kind = error.kind if isinstance(error, audio.AudioFault) else "unusable"
            where = f"{error.where}: " if error.where else ""
            return Fault(kind, row.mixture.mixture_id, f"{where}{error.what}")
        hashes = export(rendered, self.out, row.mixture.mixture_id, PARTS, self.rate)
        return hashes, rendered.mixture.size

    def _render(self, row: ExternalRow) -> Rendered:
        source, second = self._read(row.source), self._read(row.second)
        if row.snr_db is not None:
            return mix_by_power(source, second, snr_db=row.snr_db)
        if source.shape != second.shape:
            raise LassbenchError(
                f"{row.source} has {source.size} samples, {row.second} has {second.size}"
            )
        interference = second.astype(np.float64) - source
        return Rendered(second, source, interference.astype(np.float32))

    def _read(self, name: str) -> Samples:
        sound = audio.decode(find_audio(self.folder, name))
        samples = resample(sound.samples, sound.rate, self.rate)
        return samples if self.samples is None else audio.fit(samples, self.samples)


# ---------------------------------------------------------------------------
# The suite folder
# ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Imported:
    """An imported suite, and the mixtures whose audio was missing or faulty."""

    suite: Suite
    faults: tuple[Fault, ...]


def import_suite(
    list_path: Path,
    audio_dir: Path,
    out: Path,
    *,
    kind: str,
    name: str = "",
    seconds: float | None = None,
    workers: int | None = 1,
) -> Imported:
    """Make a suite folder, which stands on its own, from a list and its audio.

    Parameters
    ----------
    kind
        The format, one of :data:`FORMATS`.
    seconds
        Cut or zero-pad everything to this length; by default all files must
        have the same one.
    workers
        Processes.

    Raises
    ------
    LassbenchError
        If the list, the folder or not one mixture can be used, or lengths differ.
    """
    name = files.checked_name(
        name or kind, what="the suite", fix="give another --name", error=UsageError
    )
    rows = read_list(list_path, kind, name=name)
    if not audio_dir.is_dir():
        raise UsageError("no such audio folder", where=audio_dir, fix="check --audio-dir")
    form = list_format(kind)
    samples = None if seconds is None else round(seconds * form.rate)
    faults: list[Fault] = []

    def build(folder: Path) -> None:
        for below in ("mixtures", "references"):
            (folder / below).mkdir()
        piece = _Piece(audio_dir, folder, form.rate, samples)
        pcm: dict[str, dict[str, str]] = {}
        sizes: dict[str, int] = {}
        with open_executor(workers) as executor:
            made = track(map_ordered(executor, piece, rows), f"importing {name}", len(rows))
            for row, result in zip(rows, made, strict=True):
                if isinstance(result, Fault):
                    faults.append(result)
                else:
                    pcm[row.mixture.mixture_id], sizes[row.mixture.mixture_id] = result
        lists = list_texts(
            (row.mixture for row in rows), ((row.query, "", row.noise_concept) for row in rows)
        )
        described = describe(
            lists,
            pcm,
            name=name,
            kind="separation",
            sample_rate_hz=form.rate,
            samples=_one_length(sizes, faults, audio_dir),
            title=form.title,
            notes=(
                f"list format {kind}; its authors take the {form.average} and call 'SDR' what is "
                "'snr' here; snr_db is 0 where the list gives none"
            ),
            synthetic=False,
            audio_may_be_published=False,
            references_exported=True,
            dataset={"path": ".", "name": kind, "fingerprint": fingerprint(pcm)},
            counts={"mixtures": len(rows), "queries": len(rows), "renderable_mixtures": len(pcm)},
        )
        write_suite(folder, lists, described)

    output_folders.replace_folder(
        out, build, what="the suite", mark="suite.json", needs=[list_path, audio_dir]
    )
    return Imported(load_suite(out), tuple(faults))


def _one_length(sizes: Mapping[str, int], faults: Sequence[Fault], audio_dir: Path) -> int:
    if not sizes:
        raise FaultsError(
            "not one mixture of the list can be made", faults, where=audio_dir, fix="check it"
        )
    first, length = next(iter(sizes.items()))
    others = [
        Fault("other length", mixture_id, f"{size} samples; {first} has {length}")
        for mixture_id, size in sizes.items()
        if size != length
    ]
    if others:
        raise FaultsError(
            "the mixtures have different lengths",
            others,
            where=audio_dir,
            fix="give --seconds to cut or zero-pad all of them",
        )
    return length

"""ESC-50: 2000 recordings of 50 kinds of sound, and its subset ESC-10.

Layout of the source folder, as its author publishes it::

    audio/1-100032-A-0.wav      or .ogg, .flac: whichever is there under that stem
    meta/esc50.csv              filename,fold,target,category,esc10,src_file,take
    meta/captions.csv           optional: filename,caption_index,caption
    meta/attribution.csv        optional: filename,title,author,license

Folds 1-4 are for training and fold 5 is the test set, which is one of the five
splits that ESC-50's author defines.  For validation, four clips of each class
are taken out of the training folds: those with the smallest SHA-256 of their
clip id.  Clips cut from one Freesound recording (``src_file``) go together, so
that no recording is on both sides.

ESC-50 is 44.1 kHz and 5 s; its clips are written at the benchmark's 32 kHz, so
that the systems trained for it can be run on them, and at their own 5 s.

Without ``captions.csv`` the captions come from templates around the class's
name, and the card says so.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from lassbench.corpora.base import CorpusCard, in_order, require_folder, source_option
from lassbench.csv_files import Row, read_table
from lassbench.errors import Fault, FaultsError, did_you_mean
from lassbench.files import NO_SUCH_FILE, file_fault, find_inside, inner_path_fault
from lassbench.records import SAMPLE_RATE_HZ, Clip, FileSource, MissingSource, Split

TRAINING_FOLDS = (1, 2, 3, 4)
TEST_FOLD = 5

#: Clips a class that are taken out of the training folds for validation.
VALIDATION_CLIPS = 4

#: Containers that are looked for under a clip's stem, the first that is there is read.
SUFFIXES = (".wav", ".flac", ".ogg")

CLIP_SECONDS = 5.0

_ANIMAL = "Animal"
_NATURAL = "Natural sounds"
_HUMAN = "Human sounds"
_THINGS = "Sounds of things"

#: class -> (root category of the AudioSet ontology, how a sentence calls it).
#: The roots are those of the nearest AudioSet class (mouse click: Clicking of a
#: device; door wood creaks: Door; crackling fire: Fire).
CLASSES: dict[str, tuple[str, str]] = {
    "dog": (_ANIMAL, "a dog"),
    "rooster": (_ANIMAL, "a rooster"),
    "pig": (_ANIMAL, "a pig"),
    "cow": (_ANIMAL, "a cow"),
    "frog": (_ANIMAL, "a frog"),
    "cat": (_ANIMAL, "a cat"),
    "hen": (_ANIMAL, "a hen"),
    "insects": (_ANIMAL, "insects"),
    "sheep": (_ANIMAL, "a sheep"),
    "crow": (_ANIMAL, "a crow"),
    "rain": (_NATURAL, "rain"),
    "sea_waves": (_NATURAL, "sea waves"),
    "crackling_fire": (_NATURAL, "a crackling fire"),
    "crickets": (_ANIMAL, "crickets"),
    "chirping_birds": (_ANIMAL, "chirping birds"),
    "water_drops": (_THINGS, "water drops"),
    "wind": (_NATURAL, "wind"),
    "pouring_water": (_THINGS, "pouring water"),
    "toilet_flush": (_THINGS, "a toilet flush"),
    "thunderstorm": (_NATURAL, "a thunderstorm"),
    "crying_baby": (_HUMAN, "a crying baby"),
    "sneezing": (_HUMAN, "sneezing"),
    "clapping": (_HUMAN, "clapping"),
    "breathing": (_HUMAN, "breathing"),
    "coughing": (_HUMAN, "coughing"),
    "footsteps": (_HUMAN, "footsteps"),
    "laughing": (_HUMAN, "laughing"),
    "brushing_teeth": (_THINGS, "brushing teeth"),
    "snoring": (_HUMAN, "snoring"),
    "drinking_sipping": (_HUMAN, "drinking and sipping"),
    "door_wood_knock": (_THINGS, "a knock on a wooden door"),
    "mouse_click": (_THINGS, "a mouse click"),
    "keyboard_typing": (_THINGS, "keyboard typing"),
    "door_wood_creaks": (_THINGS, "a creaking wooden door"),
    "can_opening": (_THINGS, "the opening of a can"),
    "washing_machine": (_THINGS, "a washing machine"),
    "vacuum_cleaner": (_THINGS, "a vacuum cleaner"),
    "clock_alarm": (_THINGS, "an alarm clock"),
    "clock_tick": (_THINGS, "a ticking clock"),
    "glass_breaking": (_THINGS, "breaking glass"),
    "helicopter": (_THINGS, "a helicopter"),
    "chainsaw": (_THINGS, "a chainsaw"),
    "siren": (_THINGS, "a siren"),
    "car_horn": (_THINGS, "a car horn"),
    "engine": (_THINGS, "an engine"),
    "train": (_THINGS, "a train"),
    "church_bells": (_THINGS, "church bells"),
    "airplane": (_THINGS, "an airplane"),
    "fireworks": (_THINGS, "fireworks"),
    "hand_saw": (_THINGS, "a hand saw"),
}

TEMPLATES = (
    "the sound of {}",
    "a recording of {}",
    "{} can be heard",
    "there is the sound of {}",
    "{}",
)

_CITATION = (
    "K. J. Piczak. ESC: Dataset for Environmental Sound Classification. "
    "Proceedings of the 23rd Annual ACM Conference on Multimedia, Brisbane, Australia, 2015. "
    "doi:10.1145/2733373.2806390"
)


@dataclass(frozen=True)
class Esc50Corpus:
    """ESC-50 (or its subset ESC-10) in a folder.

    Attributes
    ----------
    source
        The folder that holds ``audio/`` and ``meta/``.
    only_esc10
        Only the ten classes that ``meta/esc50.csv`` marks as ESC-10.
    sample_rate_hz, seconds
        Rate in Hz and length in seconds at which the clips are written.
    """

    source: Path
    only_esc10: bool = False
    sample_rate_hz: int = SAMPLE_RATE_HZ
    seconds: float = CLIP_SECONDS
    #: What tests is ESC-50's fold 5.
    drawn_splits: ClassVar[tuple[Split, ...]] = ("train", "validation")

    @property
    def card(self) -> CorpusCard:
        """The corpus's card; ESC-10's terms are wider than those of the whole."""
        templated = not self._captions_path.is_file()
        return CorpusCard(
            name="esc10" if self.only_esc10 else "esc50",
            title="ESC-10" if self.only_esc10 else "ESC-50",
            homepage="https://github.com/karolpiczak/ESC-50",
            licence="CC-BY-3.0" if self.only_esc10 else "CC-BY-NC-3.0",
            citation=_CITATION,
            sample_rate_hz=self.sample_rate_hz,
            clip_seconds=self.seconds,
            audio_may_be_published=True,
            templated_captions=templated,
            notes=(
                "Folds 1-4 are training, fold 5 is the test set. Validation: "
                f"{VALIDATION_CLIPS} training clips a class by the smallest SHA-256 of their id, "
                "whole Freesound recordings at a time. The recordings are by Freesound users; "
                "author and licence of each are in its attribution where the source gives them. "
                + (
                    "The captions come from templates around the class names."
                    if templated
                    else "The captions come from meta/captions.csv."
                )
            ),
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What decides which clips these are, beside the card."""
        return {"only_esc10": self.only_esc10}

    @property
    def folders(self) -> tuple[Path, ...]:
        """The source folder."""
        return (self.source,)

    @property
    def _captions_path(self) -> Path:
        return self.source / "meta" / "captions.csv"

    def clips(self) -> list[Clip]:
        """Every clip, sorted by split and id.

        Raises
        ------
        UsageError
            If ``source`` or its ``meta/esc50.csv`` is not there.
        FaultsError
            Listing every bad row: file name, fold, class, duplicate, no audio,
            no caption.
        """
        require_folder(self.source, what="the source of ESC-50")
        require_folder(self.source / "audio", what="the audio of ESC-50")
        table = self.source / "meta" / "esc50.csv"
        required = ["filename", "fold", "category", *(["esc10"] if self.only_esc10 else [])]
        everything = read_table(table, required)
        rows = [row for row in everything if not self.only_esc10 or row["esc10"].lower() == "true"]
        faults = list(_check_rows(rows, self.source))
        known = {_stem(row) for row in everything}
        captions = self._captions(known, {_stem(row) for row in rows}, faults)
        attributions = self._attributions(known, faults)
        if faults:
            raise FaultsError(
                "ESC-50's tables and audio do not fit together",
                faults,
                where=self.source,
                fix="correct these lines, or restore the files that they name",
            )
        return in_order(_clips(rows, captions, attributions))

    def _captions(
        self, known: set[str], wanted: set[str], faults: list[Fault]
    ) -> dict[str, list[str]]:
        path = self._captions_path
        if not path.is_file():
            return {}
        numbered: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for row in read_table(path, ["filename", "caption_index", "caption"]):
            stem = _stem(row)
            if stem not in known:
                faults.append(_unknown(row, known))
            elif not row["caption_index"].isdecimal():
                reason = f"caption_index is {row['caption_index']!r}, expected 0, 1, 2 ..."
                faults.append(Fault("caption", row.where, reason))
            elif not row["caption"]:
                faults.append(Fault("caption", row.where, "the caption is empty"))
            else:
                numbered[stem].append((int(row["caption_index"]), row["caption"]))
        lacking = sorted(wanted - numbered.keys())
        faults += [Fault("caption", f"{path}", f"no caption of {stem}") for stem in lacking]
        return {stem: [text for _, text in sorted(texts)] for stem, texts in numbered.items()}

    def _attributions(self, known: set[str], faults: list[Fault]) -> dict[str, str]:
        path = self.source / "meta" / "attribution.csv"
        if not path.is_file():
            return {}
        rows = read_table(path, ["filename", "author", "license"])
        faults += [_unknown(row, known) for row in rows if _stem(row) not in known]
        return {_stem(row): _attribution(row) for row in rows}

    def locate(self, clip: Clip) -> FileSource | MissingSource:
        """The file of ``clip``, in whichever container it is there."""
        return _locate(self.source, clip.clip_id)


def from_options(options: Mapping[str, Any]) -> Esc50Corpus:
    """The corpus that the command line's options ask for.

    Raises
    ------
    UsageError
        If ``source`` is not given.
    """
    return Esc50Corpus(
        source=source_option(options, "the folder that holds audio/ and meta/esc50.csv"),
        only_esc10=bool(options.get("only_esc10", False)),
        sample_rate_hz=options.get("rate", SAMPLE_RATE_HZ),
        seconds=options.get("seconds", CLIP_SECONDS),
    )


def _stem(row: Row) -> str:
    # One file, one id, whichever Unicode form a table or the disk has its name in.
    return unicodedata.normalize("NFC", Path(row["filename"]).stem)


def _locate(source: Path, stem: str) -> FileSource | MissingSource:
    told = f"no audio/{stem} with {', '.join(SUFFIXES)}"
    for suffix in SUFFIXES:
        path = find_inside(source / "audio", f"{stem}{suffix}")
        reason = file_fault(path)
        if not reason:
            return FileSource(str(path))
        if reason != NO_SUCH_FILE:
            told = f"audio/{path.name}: {reason}"
    return MissingSource("missing", told)


def _check_rows(rows: Iterable[Row], source: Path) -> Iterable[Fault]:
    first_at: dict[str, str] = {}
    for row in rows:
        name, stem = row["filename"], _stem(row)
        reason = inner_path_fault(name) or ("/" in name and "is not a plain file name")
        if reason:
            yield Fault("file-name", row.where, f"{name!r} {reason}")
            continue
        if stem in first_at:
            yield Fault("duplicate", row.where, f"{stem} stands at {first_at[stem]} already")
        first_at.setdefault(stem, row.where)
        if row["fold"] not in {str(fold) for fold in (*TRAINING_FOLDS, TEST_FOLD)}:
            yield Fault("fold", row.where, f"the fold is {row['fold']!r}, expected 1 to 5")
        if row["category"] not in CLASSES:
            near = did_you_mean(row["category"], CLASSES)
            yield Fault("class", row.where, f"no ESC-50 class {row['category']!r}{near}")
        place = _locate(source, stem)
        if isinstance(place, MissingSource):
            yield Fault(place.kind, row.where, place.reason)


def _unknown(row: Row, known: set[str]) -> Fault:
    near = did_you_mean(_stem(row), known)
    return Fault("unknown", row.where, f"{row['filename']!r} is not in esc50.csv{near}")


def _attribution(row: Row) -> str:
    title = f"{row['title']} by " if row["title"] else "by "
    return f"{title}{row['author']} ({row['license']})"


def _clips(
    rows: Sequence[Row], captions: Mapping[str, list[str]], attributions: Mapping[str, str]
) -> Iterable[Clip]:
    validation = _validation_sources(rows)
    for row in rows:
        stem, category = _stem(row), row["category"]
        root, phrase = CLASSES[category]
        split: Split = "train"
        if int(row["fold"]) == TEST_FOLD:
            split = "test"
        elif _recording(row) in validation:
            split = "validation"
        templated = [template.format(phrase) for template in TEMPLATES]
        yield Clip(
            clip_id=stem,
            concept=category,
            split=split,
            captions=tuple(captions.get(stem, templated)),
            tags=(category.replace("_", " "),),
            root=root,
            attribution=attributions.get(stem, ""),
        )


def _recording(row: Row) -> str:
    """The Freesound recording that a clip was cut from."""
    return row["src_file"] or _stem(row)


def _validation_sources(rows: Iterable[Row]) -> set[str]:
    """The recordings of the training folds that validate; see the module's docstring."""
    by_class: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if int(row["fold"]) in TRAINING_FOLDS:
            digest = hashlib.sha256(_stem(row).encode()).hexdigest()
            by_class[row["category"]][_recording(row)].append(digest)
    chosen: set[str] = set()
    for category in sorted(by_class):
        recordings = by_class[category]
        taken = sum(len(recordings[name]) for name in chosen & recordings.keys())
        for name in sorted(recordings, key=lambda name: min(recordings[name])):
            if name not in chosen and taken + len(recordings[name]) <= VALIDATION_CLIPS:
                chosen.add(name)
                taken += len(recordings[name])
    return chosen

"""The report on a collection: per annotator and overall, as a table and a picture."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lassbench import csv_files, files, output_folders
from lassbench.annotate import agreement, checks
from lassbench.annotate.language import Detector
from lassbench.annotate.store import Answer, Store
from lassbench.plain_text import text_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lassbench.dataset import Dataset

Key = tuple[str, str]
ALL = "all"
#: Words of a window of the moving type-token ratio (Covington and McFall, 2010):
#: the plain ratio falls with the length of what is counted.
WINDOW = 50
#: How many robust standard deviations from the median make an outlier
#: (Iglewicz and Hoaglin, 1993), and what makes a time too short to have listened.
FAR = 3.5
FAST_S = 5.0


@dataclass(frozen=True, slots=True)
class Line:
    """One annotator's figures, or everybody's (``all``).

    ``None`` where a figure is undefined: no description, nobody to compare with,
    no time known, no model named.

    Attributes
    ----------
    words
        Mean words a description.
    vocabulary
        Different words in all descriptions.
    type_token_ratio, moving_ratio
        Vocabulary by words; and its mean over windows of :data:`WINDOW` words.
    self_bleu
        Mean BLEU against the others' descriptions of the same clip.
    distance
        Mean cosine distance of embeddings to the same.
    caption_bleu
        Mean BLEU against the clip's captions.
    as_caption
        Descriptions that are a caption word for word.
    seconds
        Median time worked on a clip.
    outliers
        Descriptions that stand out (:class:`Outlier`).
    """

    annotator: str
    done: int
    cannot: int
    words: float | None
    vocabulary: int
    type_token_ratio: float | None
    moving_ratio: float | None
    self_bleu: float | None
    distance: float | None
    caption_bleu: float | None
    as_caption: int
    seconds: float | None
    outliers: int


@dataclass(frozen=True, slots=True)
class Outlier:
    """A description to look at.

    ``kind`` is ``length`` or ``time`` (far from the median), ``fast``, ``unheard``
    or ``alone`` (far from the other descriptions of the clip).
    """

    annotator: str
    clip_id: str
    kind: str
    what: str


@dataclass(frozen=True)
class Report:
    """The report: lines in the annotators' order, ``all`` last."""

    name: str
    lines: tuple[Line, ...]
    outliers: tuple[Outlier, ...]
    findings: Mapping[str, int]
    word_counts: Mapping[str, Sequence[int]]
    model: str
    clips: int

    def table(self) -> str:
        """The lines as a text table, then the outliers and what the checks found."""
        heads = ("who", "done", "cannot", "words", "vocab.", "TTR", f"MATTR{WINDOW}", "self-BLEU",
                 "distance", "cap.BLEU", "as cap.", "s/clip", "outliers")  # fmt: skip
        rows = [heads, *(_cells(line) for line in self.lines)]
        text = [f"{self.name}: {self.clips} clips", *text_table(rows, left=1)]
        text += [
            f"outlier ({one.kind}): {one.annotator}, {one.clip_id}: {one.what}"
            for one in self.outliers
        ]
        text += [f"checks: {count} {kind}" for kind, count in sorted(self.findings.items())]
        return "\n".join(text)


def _cells(line: Line) -> tuple[str, ...]:
    def shown(value: float | None, digits: int) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    return (
        *(line.annotator, str(line.done), str(line.cannot), shown(line.words, 1)),
        *(str(line.vocabulary), shown(line.type_token_ratio, 3), shown(line.moving_ratio, 3)),
        *(shown(line.self_bleu, 3), shown(line.distance, 3), shown(line.caption_bleu, 3)),
        *(str(line.as_caption), shown(line.seconds, 0), str(line.outliers)),
    )


def report(
    store: Store, dataset: Dataset, *, model: str = "", check_language: bool = True
) -> Report:
    """Make the report on a store's finished descriptions.

    Parameters
    ----------
    model
        A text embedding model by name or folder; without one there are no distances.
    """
    campaign, answers = store.campaign, store.answers()
    done = {key: answer for key, answer in answers.items() if answer.state == "done"}
    texts = {key: answer.text for key, answer in done.items()}
    said = {key: checks.words(text) for key, text in texts.items()}
    captions = {clip_id: dataset.clips[clip_id].captions for clip_id in campaign.clips}
    detector = Detector(campaign.language) if check_language else None
    found = checks.check_collection(texts, captions, detector)
    overlap = _overlaps(said)
    distance = agreement.distances(texts, model) if model and texts else {}
    on_caption = _caption_overlap(said, captions)
    outliers = _outliers(done, said, distance)
    people = [*campaign.annotators, ALL]

    def line(who: str) -> Line:
        def mine(key: Key) -> bool:
            return who in {ALL, key[0]}

        own = {key: words for key, words in said.items() if mine(key)}
        spoken = [word for key in sorted(own) for word in own[key]]
        times = [a.seconds for key, a in done.items() if mine(key) and a.seconds > 0]
        return Line(
            annotator=who,
            done=len(own),
            cannot=sum(a.state == "cannot" for key, a in answers.items() if mine(key)),
            words=_mean([len(words) for words in own.values()]),
            vocabulary=len(set(spoken)),
            type_token_ratio=len(set(spoken)) / len(spoken) if spoken else None,
            moving_ratio=moving_ratio(spoken),
            self_bleu=_mean([value for key, value in overlap.items() if mine(key)]),
            distance=_mean([value for key, value in distance.items() if mine(key)]),
            caption_bleu=_mean([value for key, value in on_caption.items() if mine(key)]),
            as_caption=sum(
                one.kind == "same as caption" for key in own for one in found.get(key, ())
            ),
            seconds=statistics.median(times) if times else None,
            outliers=sum(who in {ALL, one.annotator} for one in outliers),
        )

    kinds = sorted(one.kind for findings in found.values() for one in findings)
    return Report(
        name=campaign.name,
        lines=tuple(line(who) for who in people),
        outliers=tuple(outliers),
        findings={kind: kinds.count(kind) for kind in kinds},
        word_counts={
            who: [len(said[key]) for key in sorted(said) if key[0] == who]
            for who in campaign.annotators
        },
        model=model,
        clips=len(campaign.clips),
    )


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def moving_ratio(words: Sequence[str]) -> float | None:
    """Mean type-token ratio over all windows of :data:`WINDOW` words.

    ``None`` if there are fewer words.
    """
    if len(words) < WINDOW:
        return None
    starts = range(len(words) - WINDOW + 1)
    return statistics.fmean(len(set(words[i : i + WINDOW])) / WINDOW for i in starts)


def _overlaps(said: Mapping[Key, Sequence[str]]) -> dict[Key, float]:
    """Each description's BLEU against the others' of its clip, where there are any."""
    by_clip: dict[str, list[Key]] = {}
    for key in sorted(said):
        if said[key]:
            by_clip.setdefault(key[1], []).append(key)
    found: dict[Key, float] = {}
    for keys in by_clip.values():
        if len(keys) > 1:
            values = agreement.self_bleu([said[key] for key in keys])
            found.update(zip(keys, values, strict=True))
    return found


def _caption_overlap(
    said: Mapping[Key, Sequence[str]], captions: Mapping[str, Sequence[str]]
) -> dict[Key, float]:
    found = {}
    for key, words in said.items():
        references = [own for own in map(checks.words, captions.get(key[1], ())) if own]
        if words and references:
            found[key] = agreement.bleu(words, references)
    return found


def _outliers(
    done: Mapping[Key, Answer], said: Mapping[Key, Sequence[str]], distance: Mapping[Key, float]
) -> list[Outlier]:
    """Unusual lengths, times and (with a model) descriptions far from all others."""
    found = []
    lengths: dict[Key, float] = {key: float(len(words)) for key, words in said.items()}
    times = {key: answer.seconds for key, answer in done.items() if answer.seconds > 0}
    for kind, values, unit in (("length", lengths, "words"), ("time", times, "seconds")):
        found += [Outlier(*key, kind, f"{values[key]:.0f} {unit}") for key in far(values)]
    found += [
        Outlier(*key, "alone", f"cosine distance {distance[key]:.2f} to the others")
        for key in far(distance, above_only=True)
    ]
    for key, answer in done.items():
        if answer.source == "annotator" and 0 < answer.seconds < FAST_S:
            found.append(Outlier(*key, "fast", f"{answer.seconds:.0f} seconds"))
        if answer.source == "annotator" and answer.plays == 0:
            found.append(Outlier(*key, "unheard", "described without playing the sound"))
    return sorted(found, key=lambda one: (one.annotator, one.clip_id, one.kind))


def far(values: Mapping[Key, float], *, above_only: bool = False) -> list[Key]:
    """The keys whose modified z-score, 0.6745 (x - median) / MAD, is beyond :data:`FAR`.

    Where the median absolute deviation is zero, the mean absolute deviation
    stands for it, as Iglewicz and Hoaglin say: (x - median) / (1.2533 MeanAD).
    """
    if len(values) < 3:
        return []
    middle = statistics.median(values.values())
    deviations = [abs(value - middle) for value in values.values()]
    scale = statistics.median(deviations) / 0.6745 or 1.2533 * statistics.fmean(deviations)
    if scale == 0.0:
        return []
    scores = {key: (value - middle) / scale for key, value in values.items()}
    return [key for key, z in scores.items() if z > FAR or (z < -FAR and not above_only)]


def write(made: Report, folder: Path) -> list[Path]:
    """Write ``report.csv``, ``report.json`` and ``report.png``; their paths."""
    output_folders.check_output_folder(folder, what="the report")
    columns = list(Line.__slots__)
    rows = [[_csv(getattr(line, name)) for name in columns] for line in made.lines]
    value: dict[str, Any] = {
        "name": made.name,
        "clips": made.clips,
        "model": made.model,
        "lines": [asdict(line) for line in made.lines],
        "outliers": [asdict(one) for one in made.outliers],
        "checks": dict(made.findings),
    }
    paths = [folder / f"report.{kind}" for kind in ("csv", "json", "png")]
    texts = csv_files.write_sheet(columns, rows), files.to_json(value)
    contents = (*(text.encode() for text in texts), _picture(made))
    files.write_together(dict(zip(paths, contents, strict=True)))
    return paths


def _csv(value: object) -> object:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value


#: Of the picture.
_COLOURS = ("#0d6e76", "#c4581b")


def _label(axis: Axes, title: str, names: Sequence[str], nothing: Sequence[bool]) -> None:
    """Title and names of one panel; who has no figure there is shown as such, not as 0."""
    axis.set_title(title, loc="left")
    axis.set_xticks(range(len(names)), names)
    axis.set_xlim(-0.6, len(names) - 0.4)
    axis.set_ylim(bottom=0)
    axis.spines[["top", "right"]].set_visible(False)
    for at, is_nothing in enumerate(nothing):
        if is_nothing:
            axis.annotate(
                "none", (at, 0), (0, 4), textcoords="offset points", ha="center", color="#59636b"
            )


def _picture(made: Report) -> bytes:
    """Words a description, overlap, vocabulary and time by annotator, as a PNG."""
    import io

    from matplotlib.figure import Figure

    people = [line for line in made.lines if line.annotator != ALL]
    names = [line.annotator for line in people]
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    axes = figure.subplots(2, 2)
    boxes = [list(made.word_counts[name]) for name in names]
    axes[0, 0].boxplot(
        boxes, positions=range(len(names)), widths=0.5, medianprops={"color": _COLOURS[1]}
    )
    _label(axes[0, 0], "words a description", names, [not box for box in boxes])
    panels = (
        (axes[0, 1], "overlap (BLEU)", ("self_bleu", "caption_bleu"), ("others", "captions")),
        (axes[1, 0], f"vocabulary by words, windows of {WINDOW}", ("moving_ratio",), ("",)),
        (axes[1, 1], "median seconds a clip", ("seconds",), ("",)),
    )
    for axis, title, fields, labels in panels:
        width = 0.8 / len(fields)
        for i, (field, label) in enumerate(zip(fields, labels, strict=True)):
            at = [n - 0.4 + width * (i + 0.5) for n in range(len(names))]
            values = [getattr(line, field) or 0.0 for line in people]
            axis.bar(at, values, width * 0.92, color=_COLOURS[i], label=label)
        nothing = [all(getattr(line, field) is None for field in fields) for line in people]
        _label(axis, title, names, nothing)
        if labels[0]:
            # Above the bars, which may reach everywhere else.
            where = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.2}
            axis.legend(frameon=False, ncols=len(labels), **where)
    figure.suptitle(made.name)
    memory = io.BytesIO()
    figure.savefig(memory, format="png", dpi=130, metadata={"Software": None})
    return memory.getvalue()

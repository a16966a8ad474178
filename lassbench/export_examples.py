"""Sounds for the leaderboard's listening page: a few frozen queries, rendered and drawn.

Which queries are shown is decided before anybody has listened: one a concept,
the smallest SHA-256 of its id first, so that nobody's best case is picked.  The
folder written here is the one that ``leaderboard.examples`` describes and
checks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lassbench import audio, files, output_folders
from lassbench.errors import UsageError
from lassbench.leaderboard.entries import slug
from lassbench.leaderboard.examples import Example, ExampleSet
from lassbench.pictures.spectrogram import level_db, picture, png, top_db
from lassbench.records import Query
from lassbench.suites.suite import Suite
from lassbench.systems.predictions import PredictionSet

#: Size of a spectrogram in pixels.
WIDTH, HEIGHT = 600, 150


def choose_queries(suite: Suite, count: int) -> list[Query]:
    """``count`` renderable queries: one a concept in turn, by SHA-256 of the query id."""
    queries = {files.sha256_bytes(one.query_id.encode()): one for one in suite.renderable_queries}
    seen: Counter[str] = Counter()
    rounds: list[tuple[int, str]] = []
    for hashed, query in sorted(queries.items()):
        rounds.append((seen[query.concept], hashed))
        seen[query.concept] += 1
    return [queries[hashed] for _, hashed in sorted(rounds)[:count]]


def export_examples(
    root: Path,
    suite: Suite,
    predictions: Sequence[PredictionSet],
    *,
    count: int = 4,
    include_audio: bool = False,
) -> Path:
    """Write ``root/examples/<suite>/`` anew: mixture, target and each system's estimate.

    Parameters
    ----------
    root
        The leaderboard folder.
    predictions
        One set a system; its entry has the system's name.
    include_audio
        Export audio that must not be published, for looking and listening at home.

    Raises
    ------
    UsageError
        If the audio may not be published, or nobody is named as the maker of a recording,
        and ``include_audio`` is not given; if a system has no entry on this suite.
    """
    entries = root / "entries" / suite.name
    for one in predictions:
        if not (entry := entries / f"{slug(one.system.name)}.json").is_file():
            raise UsageError(
                f"{one.system.name!r} has no entry on {suite.name}",
                where=entry,
                got="no such file",
                fix="add its score first: `lassbench leaderboard add`",
            )
    chosen = choose_queries(suite, count)
    refused = _why_not_published(suite, chosen)
    if refused and not include_audio:
        raise refused
    folder = root / "examples" / suite.name

    def build(temporary: Path) -> None:
        content = ExampleSet(
            suite=suite.name,
            list_fingerprint=suite.list_fingerprint,
            audio_may_be_published=refused is None,
            seconds=suite.samples / suite.sample_rate_hz,
            max_hz=suite.sample_rate_hz / 2,
            examples=tuple(_export_one(temporary, suite, q, predictions) for q in chosen),
        )
        files.write_json(temporary / "examples.json", content.model_dump(mode="json"))

    with output_folders.folder_lock(root, what="the leaderboard"):
        output_folders.replace_folder(folder, build, what="the examples", mark="examples.json")
    return folder


def _why_not_published(suite: Suite, chosen: Sequence[Query]) -> UsageError | None:
    fix = "--include-audio exports them all the same: keep that page to yourself"
    if not suite.audio_may_be_published:
        return UsageError(
            "the recordings of this suite may not be published", where=suite.path, fix=fix
        )
    makers = dict(maker for query in chosen for maker in _makers(suite, query))
    unnamed = sorted(clip for clip, by in makers.items() if not by)
    if not unnamed or suite.synthetic:
        return None
    return UsageError(
        "recordings are published with their makers' names, and some are not named",
        where=suite.path,
        expected="an attribution of every clip: ESC-50's meta/attribution.csv, or the column"
        " of that name in a folder's metadata.csv",
        got=f"nobody for {len(unnamed)} of {len(makers)} clips: {', '.join(unnamed[:5])}",
        fix=f"add them and build the dataset anew; {fix}",
    )


def _makers(suite: Suite, query: Query) -> list[tuple[str, str]]:
    """The clips that a query's mixture is made of, the target first, and whose each is."""
    mixture = suite.mixtures[query.mixture_id]
    clips = suite.dataset.clips if suite.dataset is not None else {}
    both = (mixture.target_id, mixture.noise_id)
    return [(clip, clips[clip].attribution if clip in clips else "") for clip in both]


def _export_one(
    folder: Path, suite: Suite, query: Query, predictions: Sequence[PredictionSet]
) -> Example:
    estimates = {
        slug(one.system.name): one.load(query.query_id)
        for one in predictions
        # A system that reads nothing hands back the mixture, which is there already.
        if one.system.query_type != "none" and query.query_id in one.paths
    }
    (_, target_by), (_, noise_by) = _makers(suite, query)
    example = Example(
        query_id=query.query_id,
        text=query.text,
        concept=query.concept,
        noise_concept=query.noise_concept,
        target_by=target_by,
        noise_by=noise_by,
        systems=tuple(estimates),
    )
    rendered, rate = suite.render(query.mixture_id), suite.sample_rate_hz
    top = top_db(level_db(rendered.mixture, rate, rows=HEIGHT))
    sounds = (rendered.mixture, rendered.target, *estimates.values())
    for track, samples in zip(example.tracks, sounds, strict=True):
        # Estimates may exceed full scale, and clipping them would be heard as theirs.
        peak = float(np.abs(samples).max(initial=0.0))
        playable = samples / np.float32(peak) if peak > 1.0 else samples
        files.write_bytes(folder / f"{track}.flac", audio.encode_flac(playable, rate))
        level = level_db(samples, rate, rows=HEIGHT)
        files.write_bytes(folder / f"{track}.png", png(picture(level, top, WIDTH)))
    return example

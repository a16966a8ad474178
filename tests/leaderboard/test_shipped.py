"""The leaderboard in this repository: it passes its own checks, and its figures have sources."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from lassbench.cli.demo import CORPUS
from lassbench.leaderboard.building import build
from lassbench.leaderboard.checks import read_leaderboard
from lassbench.leaderboard.entries import entry_schema

CHECKOUT = Path(__file__).resolve().parents[2]
SHIPPED = CHECKOUT / "leaderboard"


def test_its_tables_are_those_of_its_entries(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(SHIPPED, tmp_path / "leaderboard"))
    build(copy)
    before = {p.name: p.read_bytes() for p in (SHIPPED / "tables").iterdir()}
    after = {p.name: p.read_bytes() for p in (copy / "tables").iterdir()}
    assert before == after, "run `lassbench leaderboard build` and commit what it wrote"
    assert (SHIPPED / "entry.schema.json").read_bytes() == entry_schema()


def test_an_empty_table_says_how_to_fill_it() -> None:
    for card in read_leaderboard(SHIPPED).suites.values():
        if not card.synthetic and card.name.startswith("lass-"):
            assert "To " in card.how_to_fill


def test_the_synthetic_table_says_what_makes_its_list() -> None:
    """Which is the demo's, so that a demo's entries can be compared with it."""
    card = read_leaderboard(SHIPPED).suites["synthetic-test"]
    assert f"lassbench build-dataset data/synthetic {CORPUS}" in card.description
    assert "lassbench freeze data/synthetic --noises 3" in card.description


def test_reported_figures_are_those_of_their_sources() -> None:
    """As printed in the two READMEs that the records name."""
    found = {
        (row.system.split()[0], row.test_set, name): value
        for one in read_leaderboard(SHIPPED).reported
        for row in one.rows
        for name, value in row.figures.items()
    }
    printed = {
        "AudioCaps": (8.220, 7.189),
        "Clotho": (6.850, 5.242),
        "ESC-50": (10.040, 8.810),
        "VGGSound": (9.144, 9.043),
        "AudioSet": (7.739, 6.903),
        "MUSIC": (10.508, 9.425),
    }
    expected = {}
    for name, (sdri, si_sdr) in printed.items():
        test_set = f"AudioSep's {name} evaluation list"
        expected[("AudioSep", test_set, "SDRi")] = sdri
        expected[("AudioSep", test_set, "SI-SDR")] = si_sdr
    for name, value in (("SDR", 5.708), ("SDRi", 5.673), ("SI-SDR", 3.862)):
        expected[("DCASE", "lass_synthetic_validation.csv, 16 kHz", name)] = value
    assert found == expected


def test_the_site_cites_whom_the_citation_file_names() -> None:
    card = read_leaderboard(SHIPPED).site
    said = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text())
    [paper] = said["references"]
    cited = " ".join(" ".join(card.cite).split())
    names = [f"{one['family-names']}, {one['given-names']}" for one in paper["authors"]]
    assert f"author = {{{' and '.join(names)}}}" in cited
    for text in (paper["title"], said["title"], paper["identifiers"][0]["value"]):
        assert f"{{{text}}}" in cited
    arxiv = paper["identifiers"][0]["value"].removeprefix("arXiv:")
    assert f"https://arxiv.org/abs/{arxiv}" in card.links.values()
    assert not card.repository, "none is public yet"


@pytest.mark.parametrize("suite", ["lass-test", "lass-absent"])
def test_the_cards_know_the_frozen_lists(shared: Path, suite: str, tmp_path: Path) -> None:
    """The list fingerprint does not depend on whose audio is there: captions are enough."""
    from lassbench.benchmark.metadata import MetadataSource
    from lassbench.corpora.audiocaps import AudioCapsCorpus
    from lassbench.suites import freezing

    corpus = AudioCapsCorpus(metadata=MetadataSource(str(shared / "data")))
    card = corpus.card
    dataset = SimpleNamespace(
        card=card,
        corpus_clips={clip.clip_id: clip for clip in corpus.clips()},
        clips={},
        synthetic=False,
        sample_rate_hz=card.sample_rate_hz,
        clip_samples=round(card.sample_rate_hz * card.clip_seconds),
        audio_may_be_published=False,
        name=card.name,
        fingerprint="",
    )
    plan = freezing.frozen_plan(dataset, suite)  # type: ignore[arg-type]
    assert plan is not None
    described = freezing.write_suite(
        tmp_path,
        plan,
        pcm={},
        sample_rate_hz=dataset.sample_rate_hz,
        samples=dataset.clip_samples,
    )
    shown = read_leaderboard(SHIPPED).suites[suite]
    assert shown.list_fingerprint == described["list_fingerprint"]
    assert shown.queries == len(plan.queries)

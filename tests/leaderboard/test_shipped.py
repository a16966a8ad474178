"""The leaderboard in this repository: it passes its own checks, and its figures have sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from lassbench.leaderboard.building import build
from lassbench.leaderboard.checks import read_leaderboard
from lassbench.leaderboard.entries import entry_schema
from tests.leaderboard import made

CHECKOUT = Path(__file__).resolve().parents[2]
SHIPPED = CHECKOUT / "leaderboard"
WORKFLOW = CHECKOUT / ".github" / "workflows" / "leaderboard.yml"


def test_it_passes_its_own_checks() -> None:
    board = read_leaderboard(SHIPPED)
    assert {"lass-test", "lass-sub-test", "lass-absent"} <= set(board.suites)


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


def run_workflow(place: Path, *, fork: bool) -> subprocess.CompletedProcess[str]:
    """The workflow's own scripts, on two folders instead of two checkouts."""
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["check"]["steps"]
    script = "\n".join(
        step["run"] for step in steps if "run" in step and "pip install" not in step["run"]
    )
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FROM_FORK": str(fork).lower(),
        "GITHUB_STEP_SUMMARY": str(place / "summary.md"),
    }
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=place, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_workflow_takes_a_good_entry_and_refuses_a_bold_one(
    filled: Path, tmp_path: Path
) -> None:
    for name in ("base", "proposed"):
        shutil.copytree(filled, tmp_path / name / "leaderboard")
    proposed = tmp_path / "proposed" / "leaderboard"
    suite = made.suite_info("made-test")
    made.add(proposed, made.make_scores("Newcomer", suite=suite, seed=70))
    done = run_workflow(tmp_path, fork=True)
    assert done.returncode == 0, done.stderr
    assert "+ Newcomer" in (tmp_path / "summary.md").read_text()
    assert (tmp_path / "site" / "index.html").is_file()

    card = proposed / "suites" / "made-test.json"
    card.write_text(card.read_text().replace("Made-up", "Official"))
    done = run_workflow(tmp_path, fork=True)
    assert done.returncode == 1
    assert "a submission adds entries" in done.stderr


def test_the_workflow_reads_the_pull_request_and_runs_none_of_it() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    triggers = workflow[True]  # YAML reads the key `on` as true
    assert list(triggers) == ["pull_request"]
    assert workflow["permissions"] == {"contents": "read"}
    for step in workflow["jobs"]["check"]["steps"]:
        assert "${{" not in step.get("run", ""), "nothing of the event is pasted into a script"
        assert "./proposed" not in step.get("run", "")

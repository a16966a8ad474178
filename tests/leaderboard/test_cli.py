"""The commands as a user gives them, on a small synthetic suite that is really scored."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml
from PIL import Image

from lassbench.audio import decode_int16, to_float32
from lassbench.cli import run
from lassbench.errors import LassbenchError
from lassbench.leaderboard.checks import read_leaderboard
from lassbench.pictures.spectrogram import level_db
from tests.leaderboard import made
from tests.leaderboard.made import DATE


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data/, predictions/ and scores/ of the mixture and the oracle mask."""
    place = tmp_path_factory.mktemp("scored")
    small = "--clips-per-concept 1,1,2 --seconds 1 --rate 8000 --workers 1"
    commands = [
        f"build-dataset {place}/data --corpus synthetic {small}",
        f"freeze {place}/data --noises 2 --workers 1",
        f"separate mixture --suite {place}/data -o {place}/predictions/mixture",
        f"separate oracle --suite {place}/data -o {place}/predictions/oracle",
        f"score {place}/predictions/mixture {place}/predictions/oracle --suite {place}/data"
        f" -o {place}/scores --leaderboard {place}/none --workers 1",
    ]
    for line in commands:
        assert run(line.split()) == 0, line
    return place


@pytest.fixture
def root(scored: Path, tmp_path: Path) -> Path:
    """A leaderboard with both."""
    paths = sorted(str(path) for path in (scored / "scores").glob("*.json"))
    root = tmp_path / "leaderboard"
    assert run(["leaderboard", "add", *paths, "--root", str(root), "--date", DATE]) == 0
    return root


def entry(root: Path, name: str) -> Path:
    return root / "entries" / "synthetic-test" / f"{name}.json"


def rescore(root: Path, scored: Path, *more: str) -> int:
    return run(
        [
            *("leaderboard", "rescore", str(entry(root, "oracle-ratio-mask"))),
            *(str(scored / "predictions" / "oracle"), "--suite", str(scored / "data")),
            *("--workers", "1", *more),
        ]
    )


def test_real_scores_pass_every_check(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leaderboard", "check", "--root", str(root)]) == 0
    assert "2 in all, no fault" in capsys.readouterr().out


def test_the_first_entry_of_a_suite_says_that_it_starts_a_table(
    scored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who runs `add` elsewhere than in a copy of the leaderboard is told."""
    place = ["--root", str(tmp_path / "here"), "--date", DATE]
    first, second = sorted(str(path) for path in (scored / "scores").glob("*.json"))
    assert run(["leaderboard", "add", first, *place]) == 0
    assert "had no suite synthetic-test, this starts its table" in capsys.readouterr().out
    assert run(["leaderboard", "add", second, *place]) == 0
    assert "starts its table" not in capsys.readouterr().out


def test_the_same_predictions_are_equal_and_make_it_verified(
    root: Path, scored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rescore(root, scored, "--write", "--date", "2026-05-06") == 0
    assert "equal, 40 queries" in capsys.readouterr().out
    content = json.loads(entry(root, "oracle-ratio-mask").read_text())
    assert content["verification"]["date"] == "2026-05-06"
    assert content["verification"]["largest_difference"] < 1e-6
    assert read_leaderboard(root)


def test_a_label_that_the_predictions_do_not_bear_is_not_verified(
    root: Path, scored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An oracle that calls itself a text system passes `check`; `rescore` sees system.yaml."""
    path = entry(root, "oracle-ratio-mask")
    content = json.loads(path.read_text())
    assert content["system"]["query_type"] == "oracle"
    content["system"].update(query_type="text", parameters=1)
    path.write_text(json.dumps(content))
    assert run(["leaderboard", "check", "--root", str(root)]) == 0
    assert rescore(root, scored, "--write") == 1
    told = capsys.readouterr().err
    assert "query_type is 'text', by system.yaml and suite it is 'oracle'" in told
    assert "parameters is '1'" in told
    assert "verification" not in json.loads(path.read_text())


def test_rescore_takes_the_clap_model(
    root: Path, scored: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def load(name: str) -> None:
        asked.append(name)
        raise LassbenchError("no such CLAP model", where=name)

    monkeypatch.setattr("lassbench.metrics.clap.ClapModel", load)
    assert rescore(root, scored, "--clap", "some/model") == 1
    assert asked == ["some/model"]
    assert "no such CLAP model" in capsys.readouterr().err


def test_from_scores_to_a_site_to_listen_to(
    root: Path, scored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions = [str(scored / "predictions" / name) for name in ("mixture", "oracle")]
    suite = ["--suite", str(scored / "data")]
    line = ["leaderboard", "examples", *predictions, *suite, "--root", str(root), "--count", "2"]
    assert run(line) == 0
    site = tmp_path / "site"
    assert run(["leaderboard", "build", "--root", str(root), "--site", str(site)]) == 0
    assert str(site / "index.html") in capsys.readouterr().out
    page = (site / "suites" / "synthetic-test" / "listen.html").read_text()
    assert page.count("<audio") == 2 * 3
    assert page.count(">Mixture</button>") == 2
    mixtures = list((root / "examples").rglob("mixture.png"))
    assert len(mixtures) == 2
    for path in mixtures:
        # 256 colours over 80 dB, from the mixture's loudest point down.
        shades, levels = [], []
        for one in (path, path.with_name("target.png")):
            with Image.open(one) as picture:
                assert picture.size == (600, 150)
                shades.append(int(np.asarray(picture).max()))
            x, rate = decode_int16(one.with_suffix(".flac").read_bytes())
            levels.append(level_db(to_float32(x), rate, rows=150).max())
        assert shades[0] > 250
        assert shades[1] - shades[0] == pytest.approx((levels[1] - levels[0]) * 255 / 80, abs=4)
    table = (root / "tables" / "synthetic-test.md").read_text()
    assert table.index("Oracle ratio mask") < table.index("Mixture")
    assert "upper bound" in table


def test_recordings_are_heard_with_their_makers_names_or_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """ESC-10's case: a licence that lets everybody publish who names the makers."""
    source, where = tmp_path / "source", str(tmp_path)
    (source / "audio").mkdir(parents=True)
    (source / "card.yaml").write_text("name: mine\naudio_may_be_published: true\n")
    table = ["file,captions,concept,split,attribution"]
    for number, concept in enumerate(("dog", "rain")):
        sound = np.sin(np.arange(8000) * (0.2 + number / 3)) / 2
        soundfile.write(source / "audio" / f"{concept}.wav", sound, 8000)
        table.append(f"audio/{concept}.wav,the {concept},{concept},test,{concept} <by> Jo (CC-BY)")

    def built(rows: list[str]) -> tuple[str, list[str]]:
        """The suite of these rows, and how its examples are asked for."""
        (source / "metadata.csv").write_text("\n".join(rows) + "\n")
        data = f"{where}/data{len(list(tmp_path.iterdir()))}"
        how = "--corpus folder --rate 8000 --seconds 1 --workers 1"
        for line in (
            f"build-dataset {data} {how} --source {source}",
            f"freeze {data} --noises 1 --workers 1",
            f"separate oracle --suite {data} -o {data}-oracle",
            f"score {data}-oracle --suite {data} -o {data}-scores --leaderboard none --workers 1",
            f"leaderboard add {data}-scores --root {data}-board",
        ):
            assert run(line.split()) == 0, capsys.readouterr().err
        asked = f"leaderboard examples {data}-oracle --suite {data} --root {data}-board --count 1"
        return data, asked.split()

    data, asked = built(table)
    assert run(asked) == 0
    assert run(["leaderboard", "build", "--root", f"{data}-board", "--site", f"{data}-site"]) == 0
    (page,) = Path(f"{data}-site").rglob("listen.html")
    for maker in ("dog", "rain"):
        assert f"{maker}: {maker} &lt;by&gt; Jo (CC-BY)" in page.read_text()
    assert len(list(Path(f"{data}-site").rglob("*.flac"))) == 3
    rows = pd.read_parquet(next(Path(f"{data}-board").rglob("*.parquet"))).set_index("query_id")
    [query] = re.findall(r"<code>(\S+)</code>", page.read_text())
    assert f"SI-SDRi {rows.loc[query, 'si_sdr_i']:.2f} dB" in page.read_text()

    data, asked = built([*table[:2], table[2].replace("rain <by> Jo (CC-BY)", "")])
    capsys.readouterr()
    assert run(asked) == 2
    told = capsys.readouterr().err
    assert "published with their makers' names" in told
    assert "1 of 2" in told
    assert not Path(f"{data}-board", "examples").exists()
    assert run([*asked, "--include-audio"]) == 0
    for flags, shown in (([], 0), (["--include-audio"], 3)):
        site = ["--site", f"{data}-site", *flags]
        assert run(["leaderboard", "build", "--root", f"{data}-board", *site]) == 0
        assert len(list(Path(f"{data}-site").rglob("*.flac"))) == shown


def test_examples_are_of_systems_that_have_an_entry(
    scored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "board"
    line = ["leaderboard", "examples", str(scored / "predictions" / "mixture")]
    assert run([*line, "--suite", str(scored / "data"), "--root", str(root)]) == 2
    assert "'Mixture' has no entry on synthetic-test" in capsys.readouterr().err
    assert not root.exists()


def test_partial_scores_become_partial_entries(
    scored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions = Path(shutil.copytree(scored / "predictions" / "mixture", tmp_path / "some"))
    sorted(predictions.glob("*.wav"))[0].unlink()
    out, root = tmp_path / "scores", tmp_path / "board"
    line = f"score {predictions} --suite {scored}/data -o {out} --leaderboard {root} --workers 1"
    assert run(line.split()) == 1
    assert run([*line.split(), "--allow-partial"]) == 0
    assert run(["leaderboard", "add", str(out), "--root", str(root)]) == 0
    assert json.loads(entry(root, "mixture").read_text())["missing_predictions"] == 1
    assert run(["leaderboard", "build", "--root", str(root)]) == 0
    assert "Not ranked: partial" in (root / "tables" / "synthetic-test.md").read_text()


def test_eval_results_from_the_command_line(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    oracle = ["leaderboard", "eval-results", str(entry(root, "oracle-ratio-mask"))]
    assert run([*oracle, "--dataset-id", "me/bench", "-o", str(tmp_path)]) == 2
    assert "reads the references" in capsys.readouterr().err
    line = ["leaderboard", "eval-results", str(entry(root, "mixture"))]
    assert run([*line, "--dataset-id", "bench", "-o", str(tmp_path)]) == 2
    assert not (tmp_path / ".eval_results").exists()
    assert run([*line, "--dataset-id", "me/bench", "-o", str(tmp_path)]) == 0
    [result] = yaml.safe_load((tmp_path / ".eval_results" / "synthetic-test.yaml").read_text())
    rows = pd.read_parquet(entry(root, "mixture").with_suffix(".parquet"))
    assert result["value"] == round(rows["si_sdr_i"].mean(), 3)
    assert run([*line, "--dataset-id", "me/bench", "-o", str(tmp_path), "--metric", "SNRi"]) == 0
    [result] = yaml.safe_load((tmp_path / ".eval_results" / "synthetic-test.yaml").read_text())
    assert result["value"] == round(rows["snr_i"].mean(), 3)


def test_metrics_are_known_by_their_titles(board: Path) -> None:
    told = []
    for metric in ("snr_i", "SNRi"):
        assert run(["leaderboard", "build", "--root", str(board), "--metric", metric]) == 0
        told.append((board / "tables" / "made-test.md").read_text())
    assert "Ranked by SNRi" in told[0]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["add", "nothing-here"], 2, "no score file to read"),
        (["check", "--root", "nothing-here"], 1, "no leaderboard here"),
        (["build", "--root", "nothing-here"], 1, "no leaderboard here"),
        (["build", "--metric", "sdrii"], 2, "did you mean"),
        (["publish", "ftp:x"], 2, "no place to publish to"),
        (["add", "SCORE", "--link", "nolabel"], 2, "a link needs a label"),
        (["add", "SCORE", "--link", "x=javascript:y"], 2, "not an http or https address"),
        (["rescore", "nothing.json", ".", "--suite", "."], 1, "no entry of a leaderboard"),
    ],
)
def test_mistakes_are_told_with_a_code_and_no_traceback(
    board: Path,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    score = made.write(tmp_path / "s", made.make_scores("New", suite=made.suite_info("made-test")))
    line = [str(score) if one == "SCORE" else one for one in arguments]
    if line[0] in ("add", "build") and "--root" not in line:
        line += ["--root", str(board)]
    assert run(["leaderboard", *line]) == code
    assert words in capsys.readouterr().err


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leaderboard", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["title"] == "Entry"
    assert "rows_sha256" in schema["required"]

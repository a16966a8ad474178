"""Two systems of a user's own, one of them edited, over ESC-10 and over CLAPSep's list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from lassbench.cli import run
from lassbench.resampling import resample
from lassbench.scores.score_file import read_scores
from lassbench.suites.suite import load_suite
from lassbench.systems.predictions import open_predictions

GATE = """
import numpy as np
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

card = {"name": "Gate", "query_type": "none"}
KEEP = 0.5


def separate(mixture, query, sample_rate):
    transform = ShortTimeFFT(hann(1024, sym=False), hop=512, fs=1.0)
    spectrum = transform.stft(mixture)
    floor = np.quantile(np.abs(spectrum), KEEP)
    return transform.istft(spectrum * (np.abs(spectrum) > floor), k1=mixture.size)
"""
HALVES = """
class Halves:
    card = {"name": "Halves", "trained_on": ["ESC-50"]}
    sample_rate = 16000
    max_seconds = 3.0

    def __init__(self, gain: float = 0.5):
        self.gain = gain

    def separate(self, mixture, query, sample_rate, negative=""):
        assert sample_rate == 16000 and mixture.size <= 3 * 16000
        return (mixture * (self.gain if negative else 1.0))[None]
"""


def esc10(shared: Path) -> Path:
    source = str(shared / "data" / "esc10")
    line = ["build-dataset", "esc10", "--corpus", "esc50", "--source", source, "--only-esc10"]
    assert run(line) == 0
    assert run(["freeze", "esc10", "--no-audio"]) == 0
    return Path("esc10")


def clapsep_esc(shared: Path) -> Path:
    listed, audio = shared / "data/lists/clapsep.esc_eval.csv.gz", shared / "data/esc10"
    line = ["import-suite", "esc", "--format", "clapsep-esc", "--list", str(listed)]
    assert run([*line, "--audio-dir", str(audio)]) == 0
    return Path("esc")


@pytest.mark.parametrize(("make", "queries"), [(esc10, 400), (clapsep_esc, 269)])
def test_two_systems_of_ones_own_one_after_an_edit(
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    make: object,
    queries: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    suite = load_suite(make(shared))  # type: ignore[operator]
    over = ["--suite", str(suite.path)]
    Path("gate.py").write_text(GATE)
    Path("halves.py").write_text(HALVES)
    gate = ["separate", "gate.py", *over, "-o", "p/gate"]
    capsys.readouterr()
    assert run([*gate, "--limit", "9"]) == 0
    assert run(gate) == 0
    assert f" by Gate: 9 kept, {queries - 9} new" in capsys.readouterr().out
    halves = ["separate", "halves.py", "--arg", "gain=0.25", *over, "-o", "p/halves"]
    assert run([*halves, "--limit", "30"]) == 0

    before = {path.name: path.read_bytes() for path in Path("p/gate").glob("*.wav")}
    made_by = yaml.safe_load(Path("p/gate/system.yaml").read_text())["made_by"]
    Path("gate.py").write_text(GATE.replace("KEEP = 0.5", "KEEP = 0.75"))
    capsys.readouterr()
    assert run(gate) == 2
    told = capsys.readouterr().err
    assert "p/gate: this folder holds predictions made by other code" in told
    assert "--overwrite" in told
    assert {path.name: path.read_bytes() for path in Path("p/gate").glob("*.wav")} == before
    assert run([*gate, "--overwrite"]) == 0
    after = {path.name: path.read_bytes() for path in Path("p/gate").glob("*.wav")}
    assert after.keys() == before.keys()
    # Where most of a recording is digital silence, both gates let all else through.
    assert sum(after[name] != before[name] for name in before) > 0.9 * queries
    edited = yaml.safe_load(Path("p/gate/system.yaml").read_text())["made_by"]
    assert edited["sha256"] != made_by["sha256"]

    # What the second one was given, and answered: 16 kHz, in pieces that fade into each other.
    query = suite.renderable_queries[0]
    gain = 0.25 if query.negative else 1.0
    x = suite.mixture_samples(query.mixture_id)
    expected = gain * resample(
        resample(x, suite.sample_rate_hz, 16000), 16000, suite.sample_rate_hz
    )
    found = open_predictions(Path("p/halves"), suite).load(query.query_id)
    np.testing.assert_allclose(found, expected[: x.size], atol=1e-6)

    assert run(["score", "p/gate", *over, "-o", "scores"]) == 0
    scores = read_scores(Path("scores/Gate.score.json"))
    assert len(scores.rows) == queries
    assert not scores.file.coverage.partial

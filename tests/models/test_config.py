"""Configs: what is refused, where it is found, and what the shipped ones say."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from lassbench.errors import FaultsError, UsageError
from lassbench.models.config import (
    Config,
    NetworkConfig,
    TrainConfig,
    choose_config,
    config_from,
    find_config,
    load_config,
    shipped_configs,
    write_config,
)


def write(folder: Path, text: str) -> Path:
    path = folder / "my.yaml"
    path.write_text(text)
    return path


def test_the_defaults_are_the_papers_recipe() -> None:
    config = Config()
    assert (config.spectrogram.frame, config.spectrogram.hop) == (1024, 512)
    assert config.network.widths == (32, 64, 128, 256, 384, 384)
    assert config.network.film == "affine"
    assert config.text.encoder == "prajjwal1/bert-mini"
    assert (config.train.batch_size, config.train.learning_rate) == (16, 3e-4)
    assert (config.train.steps, config.train.schedule) == (20000, "constant")
    assert config.mixing.snr_range_db == (0.0, 0.0)


def test_all_faults_are_reported_with_line_and_nearest_key(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "system: lasnet\nnetwork:\n  width: [8]\ntrain:\n  steps: 1.5\n  batch_size: true\n",
    )
    with pytest.raises(FaultsError) as caught:
        load_config(path)
    message = str(caught.value)
    assert f"{path}:1: system must be lassnet | unet" in message
    assert "(did you mean 'lassnet'?)" in message
    assert f"{path}:3: there is no 'network.width' (did you mean 'network.widths'?)" in message
    assert f"{path}:5: train.steps must be a whole number, got 1.5" in message
    assert f"{path}:6: train.batch_size must be a whole number, got true" in message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("train: {learning_rate: -1}", "must be at least 0"),
        ("train: {learning_rate: .nan}", "must be a number"),
        ("train: {learning_rate: .inf}", "must be a number"),
        ("train: {steps: 0}", "must be at least 1"),
        ("network: {widths: []}", "network.widths must be a list of at least 1, got"),
        ("network: {widths: [8, 0]}", "network.widths.1 must be at least 1, got 0"),
        ("network: {widths: 8}", "network.widths must be a list, got 8"),
        ("mixing: {snr_range_db: [5, -5]}", "low, high"),
        ("mixing: {snr_range_db: [0]}", "mixing.snr_range_db.1 is missing"),
        ("spectrogram: {hop: 600}", "at most half of frame"),
        ("spectrogram: {frame: 1000, hop: 100}", "spectrogram.frame: .*multiple of 64"),
        ("separation: {overlap_s: 20}", "at most half"),
        ("train: {batch_size: 16, accumulate: 3}", "must divide"),
        ("train: 3", "must be a section"),
        ("text: {encoder: scratch, scratch: {heads: 3, hidden: 64}}", "a multiple of heads"),
    ],
)
def test_impossible_values(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(FaultsError, match=reason):
        load_config(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("train: [", "not valid YAML"),
        ("- a\n- b\n", "must be a section of keys"),
        ("train: {steps: 1}\ntrain: {steps: 2}\n", "given twice"),
    ],
)
def test_files_that_are_no_config(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        load_config(write(tmp_path, text))


@pytest.mark.parametrize(
    "make",
    [
        lambda: TrainConfig(steps=0),
        lambda: TrainConfig(steps=1.5),  # type: ignore[arg-type]
        lambda: TrainConfig(batch_size=True),
        lambda: TrainConfig(learning_rate=float("nan")),
        lambda: dataclasses.replace(TrainConfig(), accumulate=3),
        lambda: dataclasses.replace(Config(), network=NetworkConfig(widths=(8,) * 10)),
        lambda: NetworkConfig(wdiths=(8,)),  # type: ignore[call-arg]
    ],
)
def test_impossible_values_are_refused_in_code_too(make: Callable[[], object]) -> None:
    with pytest.raises(ValidationError):
        make()


def test_reading_a_config_needs_no_torch() -> None:
    code = (
        "import sys\nfrom lassbench.models.config import load_config\n"
        "load_config('lassnet')\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_empty_file_is_the_recipe(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "")) == Config()


def test_spellings_that_yaml_reads_otherwise(tmp_path: Path) -> None:
    # YAML 1.1: a bare off is false, and 1e-3 without a dot is text.
    config = load_config(write(tmp_path, "train: {compile: off, learning_rate: 1e-3}"))
    assert config.train.compile == "off"
    assert config.train.learning_rate == 0.001


def test_overrides() -> None:
    config = load_config("lassnet", ["train.batch_size=8", "network.widths=[4, 8]", "name=mine"])
    assert (config.train.batch_size, config.network.widths) == (8, (4, 8))
    assert config.name == "mine"
    assert config.train.learning_rate == 3e-4


@pytest.mark.parametrize("override", ["train.batch_size", "=8", "train.=8", "train.steps.x=3"])
def test_overrides_that_are_none(override: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_config("lassnet", [override])
    assert "--set" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("train.batchsize", "train.batch_size"),
        ("step", "train.steps"),
        ("trian.steps", "train"),
        ("train.widths", "network.widths"),
        ("validation.mixture", "validation.mixtures"),
    ],
)
def test_an_override_of_an_unknown_key(key: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"--set {key}=8: .*did you mean '{meant}'") as caught:
        load_config("lassnet", [f"{key}=8"])
    assert caught.value.exit_code == 2


def test_writing_and_reading_again(tmp_path: Path) -> None:
    config = load_config("lassnet-released", ["mixing.crop_s=2", "train.compile=on"])
    write_config(tmp_path / "config.yaml", config)
    assert load_config(tmp_path / "config.yaml") == config
    assert load_config(tmp_path) == config, "a run's folder means the config in it"
    assert config_from(config.as_dict(), where="memory") == config


def test_no_such_config() -> None:
    with pytest.raises(UsageError, match="did you mean 'lassnet'"):
        find_config("lasnet")


def test_the_config_must_be_for_the_system() -> None:
    with pytest.raises(UsageError, match="for lassnet, not unet"):
        choose_config("unet", "lassnet", [])


def test_a_resumed_run_keeps_its_own_config(tmp_path: Path) -> None:
    write_config(tmp_path / "config.yaml", load_config("lassnet", ["network.query=32"]))
    assert choose_config("lassnet", None, [], run=tmp_path).network.query == 32
    assert choose_config("lassnet", "lassnet", [], run=tmp_path).network.query == 256


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_shipped_configs_load(name: str) -> None:
    config = load_config(name)
    assert name.startswith(config.system)
    assert config.name
    assert config.description
    assert (shipped_configs()[name].parent / "card.md").is_file()


@pytest.mark.parametrize("name", ["lassnet", "lassnet-released", "unet"])
def test_full_configs_explain_every_value(name: str) -> None:
    text = shipped_configs()[name].read_text()

    def every(values: dict[str, object]) -> set[str]:
        keys = set(values)
        for value in values.values():
            keys |= every(value) if isinstance(value, dict) else set()
        return keys

    assert not {key for key in every(load_config(name).as_dict()) if f"{key}:" not in text}


def test_the_reference_configs_are_the_papers() -> None:
    paper, tags, released = (load_config(name) for name in ("lassnet", "unet", "lassnet-released"))
    for config in (paper, tags, released):
        assert config.network.widths == (32, 64, 128, 256, 384, 384)
        assert config.train == Config().train
        assert config.mixing == Config().mixing
    assert (paper.network.film, released.network.film) == ("affine", "bias")
    assert tags.tags.vocabulary == "lass-2022"

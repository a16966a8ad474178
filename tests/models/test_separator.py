"""A trained network as a separator: batches, chunks, levels, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lassbench.config import SeparationConfig
from lassbench.errors import UsageError
from lassbench.models.checkpoints import card_of
from lassbench.models.devices import find_device, find_precision
from lassbench.models.separator import CheckpointSeparator, chunks
from lassbench.models.stft import Stft
from lassbench.records import Query
from tests.models.test_checkpoints import CONFIG, tag_checkpoint, text_checkpoint

RATE = 8000


def separator(kind: str = "text", **settings: object) -> CheckpointSeparator:
    checkpoint = text_checkpoint() if kind == "text" else tag_checkpoint()
    net = checkpoint.network()
    for name, part in net.named_buffers():  # not the identity, as after training
        if name.endswith("running_mean"):
            part += 0.1
    config = replace(checkpoint.blueprint.config, separation=SeparationConfig(**settings))  # type: ignore[arg-type]
    return CheckpointSeparator(net, checkpoint.blueprint.codec, config, card_of(checkpoint))


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


def ask(number: int, text: str, tags: tuple[str, ...] = ()) -> Query:
    return Query(f"q{number}", f"m{number}", text, tags)


def test_one_answer_is_the_masked_spectrogram() -> None:
    system, checkpoint = separator(normalise=False), text_checkpoint()
    net, stft = system._net, Stft(frame=256, hop=128)
    x = noise(RATE)
    with torch.inference_mode():
        spectrum = stft(torch.from_numpy(x[None]))
        mask = net(spectrum.abs(), *checkpoint.blueprint.codec.encode(["a dog barks"]))  # type: ignore[arg-type]
        wanted = stft.inverse(spectrum * mask, RATE)[0].numpy()
    np.testing.assert_allclose(system.separate(x, "a dog barks", RATE), wanted, atol=1e-6)


@pytest.mark.parametrize("kind", ["text", "tag"])
def test_a_batch_is_the_same_as_one_at_a_time(kind: str) -> None:
    system = separator(kind)
    lengths = (RATE, RATE, 5000, RATE, 5000)
    mixtures = [noise(length, seed) for seed, length in enumerate(lengths)]
    texts = ("a dog barks", "rain", "someone types on a keyboard", "rain", "a dog")
    tags = (("dog",), ("rain",), ("dog", "rain"), ("rain",), ("dog", "unheard of"))
    queries = [ask(n, text, tag) for n, (text, tag) in enumerate(zip(texts, tags, strict=True))]
    together = system.separate_batch(mixtures, queries, RATE)
    for mixture, query, answer in zip(mixtures, queries, together, strict=True):
        asked = query.text if kind == "text" else "; ".join(query.tags)
        alone = system.separate(mixture, asked, RATE)
        assert answer.dtype == np.float32
        assert answer.shape == mixture.shape
        np.testing.assert_allclose(answer, alone, atol=1e-5)


def test_different_queries_get_different_answers() -> None:
    system, x = separator(), noise(RATE)
    a, b = (system.separate(x, query, RATE) for query in ("a dog barks", "rain falls"))
    assert np.abs(a - b).max() > 1e-5


@pytest.mark.parametrize("samples", [0, 1, 100, 255, 257, 3 * RATE + 17])
def test_any_length(samples: int) -> None:
    answer = separator(chunk_s=1.0, overlap_s=0.25).separate(noise(samples), "a dog", RATE)
    assert answer.shape == (samples,)
    assert np.isfinite(answer).all()


def test_chunks_add_up_to_the_whole() -> None:
    for samples, longest, overlap in (
        (1000, 100, 20),
        (1001, 100, 0),
        (350, 300, 100),
        (90, 100, 9),
    ):
        total = np.zeros(samples)
        for start, stop, weights in chunks(samples, longest, overlap):
            assert stop - start <= longest
            total[start:stop] += weights
        np.testing.assert_allclose(total, 1.0, atol=1e-6)


def test_chunks_make_no_seams() -> None:
    # A network that masks nothing must give back what it got, chunked or not.
    system = separator(chunk_s=1.0, overlap_s=0.25)
    with torch.no_grad():
        system._net.UNet.after_conv2.weight.zero_()
        system._net.UNet.after_conv2.bias.fill_(100.0)
    x = noise(10 * RATE + 123)
    answer = system.separate(x, "a dog", RATE)
    # The two highest bins are masked by half, chunked or not; compare below them.
    gain = (
        np.abs(np.fft.rfft(answer))[: 9 * len(x) // 20] / np.abs(np.fft.rfft(x))[: 9 * len(x) // 20]
    )
    assert abs(float(np.median(gain)) - 1.0) < 1e-3
    assert np.abs(answer - x).max() < 0.1


def test_the_level_of_the_input_does_not_matter_when_normalised() -> None:
    system, x = separator(), noise(RATE)
    loud = system.separate(x, "a dog", RATE)
    quiet = system.separate(x / 64, "a dog", RATE)
    np.testing.assert_allclose(quiet * 64, loud, atol=1e-5)
    plain = separator(normalise=False)
    assert (
        np.abs(plain.separate(x / 64, "a dog", RATE) * 64 - plain.separate(x, "a dog", RATE)).max()
        > 1e-3
    )


def test_silence_stays_silence() -> None:
    answer = separator().separate(np.zeros(RATE, np.float32), "a dog", RATE)
    assert not answer.any()


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="another sample rate"):
        separator().separate(noise(RATE), "a dog", 2 * RATE)
    with pytest.raises(UsageError, match="no text"):
        separator().separate(noise(RATE), " ", RATE)
    with pytest.raises(UsageError, match=r"knows none of these.*did you mean 'dog'"):
        separator("tag").separate(noise(RATE), "dogs", RATE)


def test_devices() -> None:
    assert find_device("cpu").type == "cpu"
    for name in ("cuda:99", "mps", "gpu"):
        with pytest.raises(UsageError, match="device"):
            find_device(name)
    assert find_precision("auto", torch.device("cpu")) == torch.float32
    with pytest.raises(UsageError, match="CUDA only"):
        find_precision("bfloat16", torch.device("cpu"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_the_gpu_gives_the_cpus_answer() -> None:
    x, on_cpu = noise(RATE), separator()
    on_gpu = CheckpointSeparator(
        text_checkpoint().network(), on_cpu._codec, CONFIG, on_cpu.card, device="cuda"
    )
    reference = CheckpointSeparator(
        text_checkpoint().network(), on_cpu._codec, CONFIG, on_cpu.card, device="cpu"
    )
    np.testing.assert_allclose(
        on_gpu.separate(x, "a dog", RATE), reference.separate(x, "a dog", RATE), atol=2e-3
    )

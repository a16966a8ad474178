"""A trained network as a separator: batches, chunks, levels, and what it refuses."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from lassbench.chunking import chunks
from lassbench.errors import UsageError
from lassbench.models.checkpoints import card_of
from lassbench.models.config import SeparationConfig
from lassbench.models.devices import find_device, find_precision
from lassbench.models.lassnet import LassNet, TagUNet
from lassbench.models.separator import CheckpointSeparator, side_by_side
from tests.models.test_checkpoints import CONFIG, tag_checkpoint, text_checkpoint

RATE = 8000
#: How far an answer may lie from the plain network's: sums are taken in another order.
TOLERANCE = 1e-5


def network(kind: str) -> LassNet | TagUNet:
    """A network whose normalisations are not the identity, as after training."""
    net = (text_checkpoint() if kind == "text" else tag_checkpoint()).network()
    generator = torch.Generator().manual_seed(0)
    for name, part in sorted(net.UNet.state_dict().items()):
        if name.endswith("running_var"):
            part += torch.rand(part.shape, generator=generator)
        elif (".bn" in name and part.is_floating_point()) or name.endswith("bias"):
            part += 0.3 * torch.randn(part.shape, generator=generator)
    return net


def separator(kind: str = "text", **settings: object) -> CheckpointSeparator:
    checkpoint = text_checkpoint() if kind == "text" else tag_checkpoint()
    net = network(kind)
    config = replace(checkpoint.blueprint.config, separation=SeparationConfig(**settings))  # type: ignore[arg-type]
    return CheckpointSeparator(net, checkpoint.blueprint.codec, config, card_of(checkpoint))


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


@pytest.mark.parametrize("kind", ["text", "tag"])
def test_answers_are_the_plain_networks_masked_spectrograms(kind: str) -> None:
    system, net = separator(kind, normalise=False), network(kind)
    window = torch.hann_window(256)
    mixtures, tags = [noise(RATE, seed) for seed in range(3)], ("dog", "rain", "dog")
    queries = [f"{tag} is heard" if kind == "text" else tag for tag in tags]
    answers = system.separate_batch(mixtures, queries, RATE)
    for x, query, answer in zip(mixtures, queries, answers, strict=True):
        asked = query if kind == "text" else (query,)
        with torch.inference_mode():
            spectrum = torch.stft(torch.from_numpy(x), 256, 128, window=window, return_complex=True)
            mask = net(spectrum.abs().T[None, None], *system._codec.encode([asked]))  # type: ignore[list-item]
            wanted = torch.istft(spectrum * mask[0, 0].T, 256, 128, window=window, length=RATE)
        assert mask.std() > 0.01, "a mask that is flat would show nothing"
        np.testing.assert_allclose(answer, wanted.numpy(), atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["text", "tag"])
def test_a_batch_is_the_same_as_one_at_a_time(kind: str) -> None:
    system = separator(kind)
    lengths = (RATE, RATE, 5000, RATE, 5000)
    mixtures = [noise(length, seed) for seed, length in enumerate(lengths)]
    queries = ("a dog barks", "rain", "someone types on a keyboard", "rain", "a dog")
    if kind == "tag":
        queries = ("dog", "rain", "dog; rain", "rain", "dog; unheard of")
    together = system.separate_batch(mixtures, queries, RATE)
    for mixture, query, answer in zip(mixtures, queries, together, strict=True):
        alone = system.separate(mixture, query, RATE)
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


@pytest.mark.parametrize("threads", [1, 3, 8])
def test_items_side_by_side_come_in_order_and_share_the_threads(threads: int) -> None:
    before = torch.get_num_threads()
    seen: set[int] = set()

    def function(item: int) -> tuple[int, int, bool]:
        seen.add(threading.get_ident())
        return item, torch.get_num_threads(), torch.is_inference_mode_enabled()

    try:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            found = list(side_by_side(function, range(20)))
        assert [item for item, _, _ in found] == list(range(20))
        assert {share for _, share, _ in found} == {2 if threads == 8 else 1}
        assert all(inference for _, _, inference in found)
        assert len(seen) <= min(threads, 4)
        assert torch.get_num_threads() == threads
        fresh: list[int] = []
        late = threading.Thread(target=lambda: fresh.append(torch.get_num_threads()))
        late.start()
        late.join()
        assert fresh == [threads], "threads that come later have all of them"
    finally:
        torch.set_num_threads(before)


FAULTS = """
import resource, sys, torch
from lassbench.models.devices import find_device
if sys.argv[1] == "kept":
    find_device("cpu")
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(2):
    before = faults()
    for _ in range(20):
        torch.ones(16 << 20)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_on_a_cpu_freed_memory_is_used_again() -> None:
    # Twenty times 64 MiB: 320,000 pages of 4 KiB, or 640 of 2 MiB.
    faults = {
        how: int(subprocess.check_output([sys.executable, "-c", FAULTS, how], text=True))
        for how in ("kept", "left alone")
    }
    assert faults["left alone"] >= 640
    assert faults["kept"] < 64


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert find_device("cpu").type == "cpu"


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

"""The training loop of the reference systems, read from top to bottom.

One step is: draw pairs (a function of the step), gather and mix them on the
device, transform, mask, take the loss, update.  The host never waits for the
device between two log lines.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from lassbench.dataset import Dataset
from lassbench.errors import LassbenchError
from lassbench.models.checkpoints import (
    BEST,
    CONFIG,
    LAST,
    Checkpoint,
    Training,
    save_checkpoint,
    write_card,
)
from lassbench.models.config import Config, write_config
from lassbench.models.devices import find_precision
from lassbench.models.lassnet import LassNet
from lassbench.models.stft import Stft
from lassbench.output_folders import check_output_folder, folder_lock, remove_leavings
from lassbench.records import Clip
from lassbench.training.calibration import calibrate
from lassbench.training.log import RunLog, Shown
from lassbench.training.mixing import mix
from lassbench.training.objective import Objective
from lassbench.training.pairs import Draw, PairStream
from lassbench.training.ranks import Ranks, join_ranks
from lassbench.training.roster import Queries, Roster, split_clips
from lassbench.training.setup import Start, compile_network, compiles, deterministic, prepare
from lassbench.training.state import State, random_state, restore_random, save_state
from lassbench.training.store import ClipStore, open_store, stretches, to_device
from lassbench.training.validation import Score, Validation

#: Validation queries shown in TensorBoard.
_SHOWN = 4


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes
    ----------
    steps
        Updates made in all.
    si_sdr_i
        The best validation, in dB (``None`` before the first).
    seconds
        Spent training in all, interruptions left out.
    interrupted
        Whether it was asked to stop before its last step.
    """

    folder: Path
    steps: int
    si_sdr_i: float | None
    seconds: float
    interrupted: bool = False


def train(
    config: Config, dataset: Dataset, out: Path, *, resume: bool = False, device: str = "auto"
) -> Result:
    """Train a reference system on a dataset.

    Parameters
    ----------
    out
        The run's folder (see :mod:`lassbench.models.checkpoints`).
    resume
        Go on from the folder's last checkpoint; a folder without one starts anew.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    UsageError
        If the folder holds a run already, or the device is not there.
    LassbenchError
        If the loss is no number, memory runs out or the disk is full; the last
        checkpoint is intact and the message says how to go on.
    """
    check_output_folder(out, what="the run's folder")
    with contextlib.ExitStack() as stack:
        ranks = stack.enter_context(join_ranks(device))
        if ranks.first:
            stack.enter_context(folder_lock(out, what="the run's folder"))
            remove_leavings(out)
        stack.enter_context(deterministic(config.train.deterministic))
        stop = stack.enter_context(_asked_to_stop())
        training, validation = split_clips(dataset)
        start = prepare(config, dataset, training, out, resume=resume)
        loop = Loop(
            start,
            dataset,
            training=training,
            validation=Validation(dataset, validation, config),
            ranks=ranks,
            out=out,
        )
        with _explained(loop):
            return loop.run(stop)


class Loop:
    """One run in one process: everything that its steps need."""

    def __init__(
        self,
        start: Start,
        dataset: Dataset,
        *,
        training: Sequence[Clip],
        validation: Validation,
        ranks: Ranks,
        out: Path,
    ) -> None:
        config = self.config = start.blueprint.config
        self.blueprint, self.dataset, self.ranks, self.out = start.blueprint, dataset, ranks, out
        self.validation, self.device = validation, ranks.device
        self.roster = Roster.of(training)
        self.samples = _samples(config, dataset)
        batch = _share(config, ranks)
        self.stream = PairStream(
            self.roster,
            config.mixing,
            seed=config.train.seed,
            rank=ranks.rank,
            batch=batch,
            spare=dataset.clip_samples - self.samples,
        )
        self.store: ClipStore = open_store(dataset, self.roster, self.device, config.train.store)
        self.queries = Queries(self.roster, start.blueprint.codec, self.device)
        self.net = start.net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if isinstance(self.net, LassNet) and config.text.learning_rate_scale == 0.0:
            self.net.text_embedder.freeze()
        self.precision = find_precision(config.train.precision, self.device)
        self._build_step(start.state)
        self.step, self.seconds, self.saved = 0, 0.0, 0
        self.best: float | None = None
        self.best_step = 0
        if start.state:
            self.step = self.saved = start.state.step
            self.best, self.best_step = start.state.best, start.state.best_step
            self.seconds = start.state.seconds
        self.log = RunLog(
            out, step=self.step, tensorboard=config.train.tensorboard, active=ranks.first
        )

    def _build_step(self, state: State | None) -> None:
        """The objective, the optimizer and the scaler, as they were if ``state`` says."""
        train, spectrogram = self.config.train, self.config.spectrogram
        stft = Stft(frame=spectrogram.frame, hop=spectrogram.hop).to(self.device)
        self.plain = Objective(self.net, stft, loss=train.loss, precision=self.precision)
        self.objective: nn.Module = self.plain
        self.optimizer = make_optimizer(self.config, self.net)
        self.scaler = GradScaler(self.device.type, enabled=self.precision == torch.float16)
        if state:
            self.optimizer.load_state_dict(state.optimizer)
            if state.scaler:
                self.scaler.load_state_dict(state.scaler)
        if state and len(state.random) == self.ranks.world:
            restore_random(state.random[self.ranks.rank], self.device)
        elif self.ranks.rank:
            # The weights come from the first; each drops other units than it does.
            torch.manual_seed(train.seed + self.ranks.rank)
        self.compiled = compiles(self.config, self.device)
        if self.compiled:
            compile_network(self.net, self.config)
        if self.ranks.world > 1:
            self.objective = nn.parallel.DistributedDataParallel(
                self.objective,
                device_ids=[self.device] if self.device.type == "cuda" else None,
                gradient_as_bucket_view=True,
                # Each has its own batch statistics; the first's are saved.
                broadcast_buffers=False,
            )

    def run(self, stop: threading.Event) -> Result:
        """Train up to the last step, or until asked to stop."""
        train = self.config.train
        self._introduce()
        self.net.train()
        total = torch.zeros((), device=self.device)
        since, clock = self.step, time.perf_counter()
        interrupted = False
        while self.step < train.steps and not interrupted:
            total += self.update()
            self.step += 1
            done = self.step == train.steps
            if done or self.step % train.log_every == 0 or self.step % train.save_every == 0:
                clock, since = self._report(total, since, clock), self.step
                total.zero_()
                interrupted = self.ranks.any(stop.is_set()) and not done
            elif self.ranks.world == 1 and stop.is_set():
                self._report(total, since, clock)
                interrupted = True
            if done or interrupted or self.step % train.save_every == 0:
                self.save()
                clock = time.perf_counter()
        self.log.close(f"{self.config.name} on {self.dataset.name}")
        return Result(self.out, self.step, self.best, self.seconds, interrupted)

    def update(self) -> Tensor:
        """One step: every rank's share of a batch, one update.  The loss, on the device."""
        train = self.config.train
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.step) * group["scale"]
        mixture, target, query = self.batch(self.stream.draw(self.step))
        loss = torch.zeros((), device=self.device)
        pieces = train.accumulate
        for piece in range(pieces):
            part = slice(piece * len(mixture) // pieces, (piece + 1) * len(mixture) // pieces)
            with self._without_exchange(piece < pieces - 1):
                found = self.objective(mixture[part], target[part], tuple(q[part] for q in query))
                self.scaler.scale(found / pieces).backward()
            loss += found.detach() / pieces
        if train.clip_gradient:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.net.parameters(), train.clip_gradient)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return loss

    def batch(self, draw: Draw) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Mixtures and targets ``(batch, samples)`` and the encoded queries of a draw."""
        place, store = self.store.place, self.store
        target, noise = store.whole(place(draw.target)), store.whole(place(draw.noise))
        snr_db, clips, captions = (
            to_device(torch.from_numpy(part), self.device)
            for part in (draw.snr_db, draw.target, draw.caption)
        )
        mixture, target = mix(target, noise, snr_db)
        if self.samples < self.dataset.clip_samples:
            # Cut after mixing: a stretch normalised by its own peak would teach that
            # the hiss between two barks is a dog.
            offsets = to_device(torch.from_numpy(draw.offset), self.device)
            mixture, target = (stretches(part, offsets, self.samples) for part in (mixture, target))
        return mixture, target, self.queries.rows(clips, captions)

    def _without_exchange(self, wanted: bool) -> contextlib.AbstractContextManager[Any]:
        if wanted and isinstance(self.objective, nn.parallel.DistributedDataParallel):
            return self.objective.no_sync()
        return contextlib.nullcontext()

    def _introduce(self) -> None:
        train = self.config.train
        parameters = sum(part.numel() for part in self.net.parameters())
        self.log.say(
            f"{self.config.name}: {parameters:,} parameters, {len(self.roster.clips)} clips, "
            f"{len(self.validation)} validation mixtures, {self.ranks.world} x {self.device.type}, "
            f"{str(self.precision).removeprefix('torch.')}, steps {self.step} to {train.steps}"
        )
        if self.compiled:
            self.log.say("the network is compiled in the first step, which takes minutes")
        if self.ranks.first:
            write_config(self.out / CONFIG, self.config)

    def _report(self, total: Tensor, since: int, clock: float) -> float:
        """Log the mean loss since the last report; the time it was then."""
        steps = self.step - since
        loss = self.ranks.mean(float(total.item()) / steps)
        now = time.perf_counter()
        self.seconds += now - clock
        if not math.isfinite(loss):
            raise LassbenchError(
                f"the loss became {loss} between step {since} and step {self.step}",
                where=self.out,
                got=f"learning rate {learning_rate(self.config, self.step - 1):g}",
                fix=self.how_to_go_on(
                    "--set train.learning_rate=... (a smaller one), or train.clip_gradient=1"
                ),
            )
        speed = steps * self.config.train.batch_size / max(now - clock, 1e-9)
        rate = learning_rate(self.config, self.step - 1)
        self.log.record(self.step, loss=loss, learning_rate=rate, examples_per_second=speed)
        left = (self.config.train.steps - self.step) * self.config.train.batch_size / speed
        self.log.say(
            f"step {self.step}/{self.config.train.steps}  loss {loss:.5f}  "
            f"{speed:.1f} examples/s  {_duration(left)} left"
        )
        return now

    def save(self) -> None:
        """Validate, and write checkpoints and the resume file."""
        states = self.ranks.gather(random_state(self.device))
        if self.ranks.first:
            if drawn := range(self.config.train.calibrate_batches):
                calibrate(self.net, self.plain, (self.batch(self.stream.draw(i)) for i in drawn))
            score = self.validation.score(self.net, self.blueprint.codec, self.device)
            self._tell(score)
            checkpoint = self.checkpoint(score)
            if self.best is None or score.si_sdr_i > self.best:
                self.best, self.best_step = score.si_sdr_i, self.step
                save_checkpoint(self.out / BEST, checkpoint)
                write_card(self.out, checkpoint)
            save_checkpoint(self.out / LAST, checkpoint)
            save_state(self.out, self.state(states))
        self.saved = self.step
        self.ranks.wait()

    def checkpoint(self, score: Score) -> Checkpoint:
        """The network as it is now."""
        hashes = self.dataset.pcm_sha256
        training = Training(
            dataset=self.dataset.name,
            fingerprint=self.dataset.fingerprint,
            clips_sha256=tuple(sorted(hashes[clip.clip_id] for clip in self.roster.clips)),
            step=self.step,
            validation_si_sdr_i=round(score.si_sdr_i, 6),
        )
        return Checkpoint(self.blueprint, training, self.net.state_dict())

    def state(self, random: list[dict[str, Tensor]]) -> State:
        """What going on from here needs."""
        return State(
            step=self.step,
            best=self.best,
            best_step=self.best_step,
            weights=self.net.state_dict(),
            optimizer=self.optimizer.state_dict(),
            scaler=self.scaler.state_dict(),
            random=random,
            fingerprint=self.dataset.fingerprint,
            seconds=self.seconds,
        )

    def _tell(self, score: Score) -> None:
        better = " (best so far)" if self.best is None or score.si_sdr_i > self.best else ""
        self.log.record(
            self.step, validation_si_sdr=score.si_sdr, validation_si_sdr_i=score.si_sdr_i
        )
        self.log.say(
            f"step {self.step}  validation: SI-SDR {score.si_sdr:.2f} dB, "
            f"{score.si_sdr_i:+.2f} dB over the mixture{better}"
        )
        estimates = self.validation.estimates(
            self.net, self.blueprint.codec, self.device, first=_SHOWN
        )
        shown: list[Shown] = []
        # The estimates first: of the three they end first, and are to be read to their end.
        asked = zip(estimates, self.validation.rendered, self.validation.targets, strict=False)
        for estimate, rendered, clip in asked:
            parts = {"mixture": rendered.mixture, "estimate": estimate, "target": rendered.target}
            shown.append((clip.captions[0], parts))
        self.log.show(self.step, shown, self.dataset.sample_rate_hz)

    def how_to_go_on(self, change: str = "") -> str:
        """What a message tells the user to do after the run broke off."""
        if not self.saved:
            return f"nothing was saved yet: start again{' with ' + change if change else ''}"
        return (
            f"the checkpoints are intact (last: step {self.saved}, best: step {self.best_step}); "
            f"go on with the same command and --resume{' ' + change if change else ''}"
        )


# ---------------------------------------------------------------------------
# Small pieces
# ---------------------------------------------------------------------------


def make_optimizer(config: Config, net: nn.Module) -> torch.optim.Optimizer:
    """Adam (AdamW with weight decay); the text encoder has its own learning rate, or none."""
    groups: dict[float, list[Tensor]] = {}
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            continue
        of_bert = name.startswith("text_embedder.bert_layer")
        scale = config.text.learning_rate_scale if of_bert else 1.0
        groups.setdefault(scale, []).append(parameter)
    return torch.optim.AdamW(
        [{"params": parameters, "scale": scale} for scale, parameters in groups.items()],
        lr=config.train.learning_rate,
        weight_decay=config.train.weight_decay,
        fused=True,
    )


def learning_rate(config: Config, step: int) -> float:
    """The learning rate of the update that follows ``step`` updates."""
    train = config.train
    rise = min(1.0, (step + 1) / train.warmup_steps) if train.warmup_steps else 1.0
    if train.schedule == "constant":
        return train.learning_rate * rise
    after = max(0, step - train.warmup_steps) / max(1, train.steps - train.warmup_steps)
    return train.learning_rate * rise * 0.5 * (1.0 + math.cos(math.pi * min(1.0, after)))


def _samples(config: Config, dataset: Dataset) -> int:
    """Samples of a clip that a step trains on."""
    wanted = round(config.mixing.crop_s * dataset.sample_rate_hz)
    return min(wanted, dataset.clip_samples) if wanted else dataset.clip_samples


def _share(config: Config, ranks: Ranks) -> int:
    """This rank's share of a batch."""
    pieces = ranks.world * config.train.accumulate
    if config.train.batch_size % pieces:
        raise LassbenchError(
            "the batch cannot be shared out evenly",
            where="train.batch_size",
            expected=f"a multiple of {pieces} ({ranks.world} processes x accumulate)",
            got=str(config.train.batch_size),
            fix=f"--set train.batch_size={pieces * math.ceil(config.train.batch_size / pieces)}",
        )
    return config.train.batch_size // ranks.world


def _duration(seconds: float) -> str:
    minutes, seconds_left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds_left:02d}"


@contextlib.contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """Set by Ctrl-C and SIGTERM, so that a run ends between two steps.

    A second Ctrl-C ends it at once; the last checkpoint is whole even then.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _explained(loop: Loop) -> Iterator[None]:
    """Memory that ran out, and files that cannot be written, in words that help."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        text = str(error)
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and (
            "can't allocate memory" not in text and "out of memory" not in text
        ):
            raise
        raise LassbenchError(
            f"memory ran out at step {loop.step} on {loop.device}",
            where=loop.out,
            got=text.splitlines()[0] if text else "",
            fix=loop.how_to_go_on(_smaller(loop)),
        ) from error
    except LassbenchError as error:
        if "the loss became" in error.what or not loop.saved:
            raise
        # Anything else that a run can meet half-way: a full disk, most likely.
        raise LassbenchError(
            error.what,
            where=error.where,
            expected=error.expected,
            got=error.got,
            fix=f"{error.fix}; {loop.how_to_go_on()}" if error.fix else loop.how_to_go_on(),
        ) from error


def _smaller(loop: Loop) -> str:
    """The setting that needs less memory: the same batch in more pieces, else shorter clips."""
    train = loop.config.train
    share = train.batch_size // loop.ranks.world
    pieces = (n for n in range(train.accumulate + 1, share + 1) if share % n == 0)
    more = next(pieces, None)
    if more:
        return f"--set train.accumulate={more} (the same batch in smaller pieces)"
    return f"--set mixing.crop_s={loop.samples / loop.dataset.sample_rate_hz / 2:g}"

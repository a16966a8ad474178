"""What a run is asked to do, and which clips it asks for at which sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lassbench import __version__
from lassbench.dataset import layout
from lassbench.dataset.open import open_intact
from lassbench.errors import UsageError
from lassbench.fetch.failures import CANCELS, GEO_BLOCKED, NEAR_SILENT, NEEDS_LOGIN, RETRY
from lassbench.fetch.ledger import Attempt, Entry, Ledger, State
from lassbench.fetch.pacing import PAUSE_S
from lassbench.fetch.sources import Source
from lassbench.files import listed
from lassbench.parallel import Shard
from lassbench.records import CLIP_SECONDS, SAMPLE_RATE_HZ, Clip


@dataclass(frozen=True)
class FetchOptions:
    """What a run is asked to do.

    Attributes
    ----------
    sources
        Asked in this order.
    cookies
        Whether the sources carry an account's cookies (a higher default rate).
    rate_per_hour
        Requests an hour to paced sources; ``None`` for the default, 0 for no limit.
    jobs
        Clips under way at once at paced sources.
    sleep_s
        Least seconds between two requests to paced sources.
    retry
        ``""``, or a group of :data:`lassbench.fetch.failures.RETRY`.
    limit
        At most so many clips in this run; 0 for all.
    keep_source
        Keep downloaded media in ``sources/``.
    keep_quiet
        Take in clips that are near-silent or whose channels cancel.
    shard, scheduler
        This host's part; a Dask scheduler's address.
    pause_s, backoff_s
        Seconds of the first pause after a rate limit, and of the first wait
        after a passing failure.
    sample_rate_hz, seconds
        The clips' form.
    """

    sources: tuple[Source, ...]
    cookies: bool = False
    rate_per_hour: float | None = None
    jobs: int = 2
    sleep_s: float = 0.0
    retry: str = ""
    limit: int = 0
    keep_source: bool = False
    keep_quiet: bool = False
    shard: Shard | None = None
    scheduler: str | None = None
    pause_s: float = PAUSE_S
    backoff_s: float = 5.0
    sample_rate_hz: int = SAMPLE_RATE_HZ
    seconds: float = CLIP_SECONDS

    def __post_init__(self) -> None:
        bad = {
            "--jobs": self.jobs < 1,
            "--rate": self.rate_per_hour is not None and self.rate_per_hour < 0,
            "--sleep": self.sleep_s < 0,
            "--pause": self.pause_s < 0,
            "--limit": self.limit < 0,
        }
        for option, wrong in bad.items():
            if wrong:
                raise UsageError(f"{option} is too small", fix=f"give a larger {option}")
        if self.retry and self.retry not in RETRY:
            raise UsageError("no such group of failures", got=self.retry, expected=", ".join(RETRY))
        if self.keep_source and self.scheduler:
            raise UsageError(
                "--keep-source keeps files of this machine; with --scheduler they are elsewhere",
                fix="leave one of the two out",
            )


@dataclass
class Job:
    """A clip on its way through the sources.

    Attributes
    ----------
    sources
        Those still to be asked, the current one first.
    tries
        Tries at the current source that counted.
    bounces
        Times it was put back without a finding.
    held
        Whether a finding was put off because the address was under suspicion.
    before
        The clip's state before this run.
    findings
        The last attempts at the sources that are behind it.
    """

    clip: Clip
    sources: list[Source]
    tries: int = 0
    bounces: int = 0
    held: bool = False
    before: State = "pending"
    findings: list[Attempt] = field(default_factory=list)

    @property
    def source(self) -> Source:
        """Where it is asked for now."""
        return self.sources[0]


def plan(
    ledger: Ledger, clips: Sequence[Clip], sources: Sequence[Source], options: FetchOptions
) -> list[Job]:
    """The jobs of a run, in the order of ``clips``.

    Without ``retry``: what was never tried, what failed in passing, what awaits
    confirmation; what needs a login when there are ``cookies``; what was too quiet
    if ``keep_quiet``; what is blocked in a country through a proxy that it was not
    tried through; what is gone only at sources that it was never asked of.  With
    ``retry``: the failures of that group and nothing else.
    """
    entries = {entry.clip_id: entry for entry in ledger.entries()}
    retry, through = options.retry, ledger.tried()
    asked = {(clip_id, source) for clip_id, source, _ in through}

    def is_to_be_asked(source: Source, entry: Entry) -> bool:
        if entry.state == "done":
            return False
        if retry:
            in_passing = entry.state == "failed" and retry == "transient"
            of_group = entry.state != "pending" and entry.kind in RETRY[retry]
            return retry == "all" or in_passing or of_group
        if entry.state in {"pending", "failed", "unconfirmed"}:
            return True
        if entry.state == "waiting" and not source.paced:
            return True
        if entry.kind == NEEDS_LOGIN.name and source.paced and options.cookies:
            return True
        if entry.kind in {NEAR_SILENT.name, CANCELS.name} and options.keep_quiet:
            return True
        if entry.kind == GEO_BLOCKED.name and source.paced:
            return (entry.clip_id, source.name, source.via) not in through
        return (entry.clip_id, source.name) not in asked

    jobs = []
    for clip in clips:
        entry = entries[clip.clip_id]
        if chosen := [source for source in sources if is_to_be_asked(source, entry)]:
            jobs.append(Job(clip, chosen, before=entry.state))
    return jobs


def recover(ledger: Ledger, out: Path, sample_rate_hz: int, samples: int) -> None:
    """Make the ledger and the clips agree after whatever happened to the last run.

    A clip that was landing is done if its file is there and is what was
    written down.  A file that the ledger does not know (the ledger was lost, or
    somebody put it there) is taken over if it has the clips' rate and length.
    So is a clip that stands in the dataset's shards, where a build has packed it.
    A clip that is gone from both is pending again.

    Raises
    ------
    UsageError
        If the dataset in ``out`` has clips of another rate or length.
    """
    there = {path.stem for path in listed(out / "clips", "*.flac")}
    packed = _packed(out, sample_rate_hz, samples)
    for entry in list(ledger.entries()):
        path = layout.clip_path(out, entry.clip_id)
        if entry.state == "done":
            if entry.clip_id not in there and entry.clip_id not in packed:
                ledger.set_state(entry.clip_id, "pending")
            continue
        found = _pcm(path, sample_rate_hz, samples) if entry.clip_id in there else ""
        found = found or packed.get(entry.clip_id, "")
        if entry.state == "landing":
            if found and found == entry.pcm_sha256:
                ledger.finish(entry.clip_id)
            else:
                ledger.set_state(entry.clip_id, "pending")
        elif found:
            adopted = Attempt(entry.clip_id, "clips", "done", f"taken over by {__version__}")
            ledger.land(adopted, pcm_sha256=found, flags=(), state="done")


def _packed(out: Path, sample_rate_hz: int, samples: int) -> Mapping[str, str]:
    intact = open_intact(out)
    if intact is None:
        return {}
    dataset = intact.dataset
    if (dataset.sample_rate_hz, dataset.clip_samples) != (sample_rate_hz, samples):
        # Clips of two forms under one id would take each other's place.
        raise UsageError(
            "the folder holds a dataset of clips of another form",
            where=out,
            expected=f"{dataset.clip_samples} samples at {dataset.sample_rate_hz} Hz",
            got=f"{samples} samples at {sample_rate_hz} Hz",
            fix="name a new folder",
        )
    return dataset.pcm_sha256


def _pcm(path: Path, sample_rate_hz: int, samples: int) -> str:
    """The PCM hash of a clip's file, or ``""`` if it is not a whole clip."""
    from lassbench import audio

    try:
        pcm, rate = audio.decode_int16(path.read_bytes())
    except audio.AudioFault:
        return ""
    return audio.pcm_sha256(pcm) if (rate, pcm.size) == (sample_rate_hz, samples) else ""

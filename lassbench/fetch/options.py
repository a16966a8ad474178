"""How a run fetches."""

from __future__ import annotations

from dataclasses import dataclass

from lassbench.errors import UsageError
from lassbench.fetch.failures import RETRY
from lassbench.fetch.pacing import PAUSE_S
from lassbench.fetch.shards import Shard
from lassbench.fetch.sources import Source
from lassbench.records import CLIP_SECONDS, SAMPLE_RATE_HZ


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

"""Which clips a run asks for, and at which sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lassbench.dataset import layout
from lassbench.dataset.open import open_intact
from lassbench.fetch.failures import GEO_BLOCKED, NEEDS_LOGIN, RETRY
from lassbench.fetch.ledger import Attempt, Entry, Ledger, State
from lassbench.fetch.sources import Source
from lassbench.records import Clip


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
        (class, message, source) of the sources that are behind it.
    """

    clip: Clip
    sources: list[Source]
    tries: int = 0
    bounces: int = 0
    held: bool = False
    before: State = "pending"
    findings: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def source(self) -> Source:
        """Where it is asked for now."""
        return self.sources[0]


def plan(
    ledger: Ledger,
    clips: Sequence[Clip],
    sources: Sequence[Source],
    *,
    retry: str = "",
    cookies: bool = False,
) -> list[Job]:
    """The jobs of a run, in the order of ``clips``.

    Without ``retry``: what was never tried, what failed in passing, what awaits
    confirmation; what needs a login when there are ``cookies``; what is blocked
    in a country through a proxy that it was not tried through; what is gone
    only at sources that it was never asked of.  With ``retry``: the failures of
    that group and nothing else.
    """
    entries = {entry.clip_id: entry for entry in ledger.entries()}
    history = _History(ledger, retry, cookies=cookies)
    jobs = []
    for clip in clips:
        entry = entries[clip.clip_id]
        chosen = [source for source in sources if history.allows(entry, source)]
        if chosen:
            jobs.append(Job(clip, chosen, before=entry.state))
    return jobs


class _History:
    """Says whether a source is to be asked for a clip, given what was tried before."""

    def __init__(self, ledger: Ledger, retry: str, *, cookies: bool) -> None:
        self.retry, self.cookies = retry, cookies
        self._through = ledger.tried()
        self._asked = {(clip_id, source) for clip_id, source, _ in self._through}

    def allows(self, entry: Entry, source: Source) -> bool:
        if entry.state == "done":
            return False
        if self.retry:
            if self.retry == "all":
                return True
            in_passing = entry.state == "failed" and self.retry == "transient"
            return in_passing or (entry.state != "pending" and entry.kind in RETRY[self.retry])
        if entry.state in {"pending", "failed", "unconfirmed"}:
            return True
        if entry.state == "waiting" and not source.paced:
            return True
        if entry.kind == NEEDS_LOGIN.name and source.paced and self.cookies:
            return True
        if entry.kind == GEO_BLOCKED.name and source.paced:
            return (entry.clip_id, source.name, source.via) not in self._through
        return (entry.clip_id, source.name) not in self._asked


def recover(ledger: Ledger, out: Path, *, sample_rate_hz: int, samples: int, version: str) -> None:
    """Make the ledger and the clips agree after whatever happened to the last run.

    A clip that was landing is done if its file is there and is what was
    written down.  A file that the ledger does not know (the ledger was lost, or
    somebody put it there) is taken over if it has the clips' rate and length.
    So is a clip that stands in the dataset's shards, where a build has packed it.
    A clip that is gone from both is pending again.
    """
    there = {path.stem for path in (out / "clips").glob("*.flac")}
    dataset = open_intact(out)
    same = dataset and (dataset.sample_rate_hz, dataset.clip_samples) == (sample_rate_hz, samples)
    packed = dataset.pcm_sha256 if dataset and same else {}
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
            adopted = Attempt(entry.clip_id, "clips", "done", f"taken over by {version}")
            ledger.land(adopted, pcm_sha256=found, flags=(), state="done")


def _pcm(path: Path, sample_rate_hz: int, samples: int) -> str:
    """The PCM hash of a clip's file, or ``""`` if it is not a whole clip."""
    from lassbench import audio

    try:
        pcm, rate = audio.decode_int16(path.read_bytes())
    except audio.AudioFault:
        return ""
    return audio.pcm_sha256(pcm) if (rate, pcm.size) == (sample_rate_hz, samples) else ""

"""The deciding thread of a run: what goes when, and what follows from what comes back."""

from __future__ import annotations

import heapq
import itertools
import shutil
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from functools import partial
from pathlib import Path

from lassbench import parallel
from lassbench.dataset import layout
from lassbench.errors import LassbenchError, one_line
from lassbench.fetch.cutting import Landed
from lassbench.fetch.failures import ABSENT, BREAKING, CLASSES, TRIES, WORKER_DIED, is_offline
from lassbench.fetch.ledger import Attempt, Ledger, State
from lassbench.fetch.pacing import (
    ACCOUNT_RATE,
    GUEST_RATE,
    LONGEST_OFFLINE_PAUSE_S,
    OFFLINE,
    OFFLINE_PAUSE_S,
    Breaker,
    Limiter,
    Pause,
    clock,
)
from lassbench.fetch.planning import FetchOptions, Job
from lassbench.fetch.sources import Workspace
from lassbench.fetch.work import Outcome, do, do_anywhere
from lassbench.files import write_bytes
from lassbench.progress import LOG_EVERY_S

#: Seconds that transfers have to end when the run does.
GRACE_S = 3.0

#: A clip is put back this often in one run before it is left to the next.
BOUNCES = 10

#: What an action leaves a clip in when nothing more is to be tried in this run; the others
#: leave it failed.
_STATES: dict[str, State] = {
    "gone": "gone",
    "confirm": "unconfirmed",
    "login": "waiting",
    "elsewhere": "waiting",
    "next": "waiting",
}


class Loop:
    """One run: ``jobs`` in their order; ``workspace`` is for workers of this process."""

    def __init__(
        self,
        jobs: Sequence[Job],
        ledger: Ledger,
        out: Path,
        options: FetchOptions,
        *,
        executor: Executor,
        workspace: Workspace,
    ) -> None:
        self.ledger, self.out, self.options, self.workspace = ledger, out, options, workspace
        self.executor = executor
        self.display = Display(len(jobs))
        self.breaker = Breaker()
        self._flying: dict[Future[Outcome | None], Job] = {}
        self._queues: dict[bool, deque[Job]] = {True: deque(), False: deque()}
        self._later: list[tuple[float, int, Job]] = []
        self._serial = itertools.count()
        self._pauses = {
            "rate-limited": Pause(options.pause_s),
            OFFLINE: Pause(OFFLINE_PAUSE_S, LONGEST_OFFLINE_PAUSE_S),
        }
        self._paused_until = 0.0
        self._paused_for = ""
        self._limiter = self._new_limiter()
        for job in jobs:
            self._enqueue(job)

    def _new_limiter(self) -> Limiter:
        options = self.options
        rate = options.rate_per_hour
        if rate is None:
            rate = ACCOUNT_RATE if options.cookies else GUEST_RATE
        limiter = Limiter(rate, options.sleep_s)
        if last := self.ledger.last_attempt_at("youtube"):
            # A run that follows another keeps its pace.
            limiter.hold(limiter.spacing_s + min(0.0, last.timestamp() - time.time()))
        return limiter

    # -- the loop -----------------------------------------------------------

    def run(self) -> None:
        """Until every job is settled, or :class:`RunStopped` is raised."""
        while self._flying or self._later or any(self._queues.values()):
            while self._later and self._later[0][0] <= time.monotonic():
                self._enqueue(heapq.heappop(self._later)[2])
            self._launch()
            left = self._pause_left_s()
            self.display.tick(self._paused_for if left else "", left)
            if self._flying:
                done, _ = wait(self._flying, timeout=self._nap_s(), return_when=FIRST_COMPLETED)
                for future in done:
                    self._land(future)
            else:
                time.sleep(self._nap_s())

    def stop(self) -> None:
        """End what is under way; clips that came through meanwhile are kept."""
        self.workspace.cancel.set()
        for future in self._flying:
            future.cancel()
        running = [future for future in self._flying if not future.cancelled()]
        ended, _ = wait(running, timeout=GRACE_S)
        for future in ended:
            outcome = self._outcome(future, self._flying[future])
            if outcome and outcome.landed:
                self._keep(outcome.attempt, outcome.landed)
        self._flying.clear()
        self.display.close()

    def _enqueue(self, job: Job) -> None:
        self._queues[job.source.paced].append(job)

    def _nap_s(self) -> float:
        naps = [1.0]
        if self._queues[True]:
            naps.append(max(self._limiter.wait_s(), self._pause_left_s()))
        if self._later:
            naps.append(self._later[0][0] - time.monotonic())
        # Something is always under way, due, or limited: never spin.
        return min(1.0, max(0.002, min(naps)))

    def _pause_left_s(self) -> float:
        return max(0.0, self._paused_until - time.monotonic())

    def _launch(self) -> None:
        flying = Counter(job.source.paced for job in self._flying.values())
        while self._queues[False] and flying[False] < most_at_once(self.options):
            self._submit(self._queues[False].popleft())
            flying[False] += 1
        # While the address is under suspicion one request at a time is enough
        # to learn whether it is still refused.
        probing = self.breaker.suspicious or self.breaker.row
        most = 1 if probing else self.options.jobs
        while (
            self._queues[True]
            and flying[True] < most
            and not self._pause_left_s()
            and not self._limiter.wait_s()
        ):
            self._limiter.take()
            self._submit(self._queues[True].popleft())
            flying[True] += 1

    def _submit(self, job: Job) -> None:
        function = do_anywhere if self.options.scheduler else partial(do, workspace=self.workspace)
        self._flying[self.executor.submit(function, job.clip, job.source, self.options)] = job

    def _outcome(self, future: Future[Outcome | None], job: Job) -> Outcome | None:
        try:
            return future.result()
        except LassbenchError:
            raise
        except Exception as error:  # noqa: BLE001 - Dask's ways of telling that a worker died
            message = f"{type(error).__name__}: {error}"
            source = job.source
            return Outcome(
                Attempt(job.clip.clip_id, source.name, WORKER_DIED.name, message, source.via)
            )

    # -- what comes back ----------------------------------------------------

    def _land(self, future: Future[Outcome | None]) -> None:
        job = self._flying.pop(future)
        outcome = self._outcome(future, job)
        if outcome is None:
            return
        if outcome.landed is None:
            self.ledger.add_attempt(outcome.attempt)
            self._failed(job, outcome.attempt)
            return
        self._keep(outcome.attempt, outcome.landed)
        if job.source.paced:
            self.breaker.success()
            for pause in self._pauses.values():
                pause.reset()

    def _keep(self, attempt: Attempt, landed: Landed) -> None:
        self.ledger.land(attempt, pcm_sha256=landed.pcm_sha256, flags=landed.flags)
        write_bytes(layout.clip_path(self.out, attempt.clip_id), landed.flac)
        self.ledger.finish(attempt.clip_id)
        self.display.settle("done")

    def _failed(self, job: Job, attempt: Attempt) -> None:
        action = CLASSES[attempt.kind].action
        if job.source.paced:
            offline = action == "back-off" and is_offline(attempt.message)
            kind = OFFLINE if offline else attempt.kind
            if not self.breaker.row and (kind == OFFLINE or kind in BREAKING):
                self.display.say(f"{kind}: {attempt.message}")
            if kind in self._pauses:
                self._pause(kind)
            self.breaker.failure(kind, attempt.message)
            if offline or action in {"stop", "pause", "mend"}:
                self._bounce(job, attempt)
                return
        elif action in {"stop", "pause", "mend"}:
            action = "back-off"
        if action in {"again", "back-off"}:
            self._try_again(job, attempt, action)
        elif job.source.paced and self.breaker.suspicious and action != "next":
            self._hold(job)
        else:
            self._conclude(job, attempt)

    def _pause(self, kind: str) -> None:
        if self._pause_left_s():
            return
        seconds = self._pauses[kind].next_s()
        self._paused_until = time.monotonic() + seconds
        self._paused_for = (
            "YouTube limits the rate" if kind == "rate-limited" else "nothing can be reached"
        )

    def _bounce(self, job: Job, attempt: Attempt) -> None:
        """Put a clip back: the failure said nothing about it."""
        job.bounces += 1
        if job.bounces < BOUNCES:
            self._enqueue(job)
        else:
            self._leave_pending(job, attempt.kind, attempt.message)

    def _hold(self, job: Job) -> None:
        """Put off a finding of an address that is under suspicion."""
        if not job.held:
            job.held = True
            self._enqueue(job)
        else:
            self._leave_pending(job)

    def _leave_pending(self, job: Job, kind: str = "", message: str = "") -> None:
        if job.before == "pending":
            self.ledger.set_state(
                job.clip.clip_id, "pending", kind=kind, message=message, source=job.source.name
            )
        self.display.settle(job.before)

    def _try_again(self, job: Job, attempt: Attempt, action: str) -> None:
        job.tries += 1
        if job.tries >= TRIES:
            self._conclude(job, attempt)
        elif action == "again":
            self._queues[job.source.paced].appendleft(job)
        else:
            due = time.monotonic() + self.options.backoff_s * 4 ** (job.tries - 1)
            heapq.heappush(self._later, (due, next(self._serial), job))

    def _conclude(self, job: Job, attempt: Attempt) -> None:
        """This source has had its say: the next one, or the clip's state."""
        job.findings.append(attempt)
        if len(job.sources) > 1:
            job.sources.pop(0)
            job.tries = 0
            self._enqueue(job)
            return
        telling = [found for found in job.findings if found.kind != ABSENT.name]
        if not telling and job.before != "pending":
            # That other places lack it takes nothing from what is known of it.
            self.display.settle(job.before)
            return
        last = (telling or job.findings)[-1]
        state = _STATES.get(CLASSES[last.kind].action, "failed")
        if state == "unconfirmed" and job.before == "unconfirmed":
            state = "gone"
        self.ledger.set_state(
            last.clip_id, state, kind=last.kind, message=last.message, source=last.source
        )
        self.display.settle(state)


class Display:
    """A line that rewrites itself on a terminal, a line now and then in a log."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.counts: Counter[str] = Counter()
        self._start = time.monotonic()
        self._shown_at = self._start
        self._tty = sys.stderr.isatty()
        self._why = ""

    def settle(self, state: str) -> None:
        """A clip of this run has come to ``state``."""
        self.counts[state] += 1

    def tick(self, waiting_for: str = "", wait_s: float = 0.0) -> None:
        """Show the line if it is time; a new reason to wait is shown at once."""
        now = time.monotonic()
        every = 1.0 if self._tty else LOG_EVERY_S
        if waiting_for == self._why and now - self._shown_at < every:
            return
        self._why, self._shown_at = waiting_for, now
        text = self._line()
        if waiting_for:
            text += f"; {waiting_for}; going on in {clock(wait_s)}"
        self._write(text)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        end = "\r\x1b[K" if self._tty else ""
        print(f"{end}{one_line(text)}", file=sys.stderr, flush=True)  # noqa: T201

    def close(self) -> None:
        """Leave the last line as it is."""
        if self._tty:
            self._write(self._line())
            print(file=sys.stderr, flush=True)  # noqa: T201

    def _line(self) -> str:
        settled = sum(self.counts.values())
        parts = [f"fetch: {settled}/{self.total}"]
        parts += [f"{count} {state}" for state, count in sorted(self.counts.items())]
        if settled:
            per_hour = 3600.0 * settled / max(time.monotonic() - self._start, 1e-6)
            left_s = 3600.0 * (self.total - settled) / per_hour
            parts += [f"{per_hour:.0f} an hour", f"{clock(left_s)} left"]
        return ", ".join(parts)

    def _write(self, text: str) -> None:
        if self._tty:
            # A line that wraps could not be written over.
            text = text[: shutil.get_terminal_size().columns - 1]
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)  # noqa: T201
        else:
            print(text, file=sys.stderr, flush=True)  # noqa: T201


def most_at_once(options: FetchOptions) -> int:
    """Clips under way at once at sources that are not paced."""
    return max(options.jobs, parallel.cpu_count())

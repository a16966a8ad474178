"""A fetch whose work is done by a Dask cluster, one of whose workers dies."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lassbench.errors import UsageError
from lassbench.fetch.ledger import Ledger
from lassbench.fetch.planning import FetchOptions
from lassbench.fetch.runner import fetch
from lassbench.records import Clip
from tests.fetch.conftest import video_id
from tests.fetch.site import Site

distributed = pytest.importorskip("distributed")


def test_a_cluster_fetches_and_a_killed_worker_costs_nothing(
    site: Site,
    make_clip: Callable[..., Clip],
    options: Callable[..., FetchOptions],
    tmp_path: Path,
) -> None:
    count = 12
    for n in range(count):
        site.add(video_id(n), number=n % 4)
    clips, out = [make_clip(n) for n in range(count)], tmp_path / "out"
    site.delay_s = 0.05
    cluster = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        local_directory=str(tmp_path / "dask"),
    )
    with cluster:
        victim = next(iter(cluster.workers.values())).pid

        def kill() -> None:
            while len(site.requests("media")) < 3:
                time.sleep(0.01)
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        summary = fetch(clips, out, options(scheduler=cluster.scheduler_address, jobs=4))
        killer.join()
    assert summary.states == {"done": count}
    fetch(clips, tmp_path / "here", options())
    for clip in clips:
        name = f"clips/{clip.clip_id}.flac"
        assert (out / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    with Ledger.read(out) as ledger:
        # The worker's death is the cluster's affair, not a failure of a clip's.
        kinds = {kind for (kind,) in ledger.db.execute("SELECT class FROM attempts")}
    assert kinds <= {"done", "worker-died"}


def test_no_scheduler_and_no_kept_sources_there(
    make_clip: Callable[..., Clip], options: Callable[..., FetchOptions], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="--keep-source"):
        options(scheduler="tcp://127.0.0.1:1", keep_source=True)

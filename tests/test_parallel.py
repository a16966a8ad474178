"""Workers: who may end them."""

from __future__ import annotations

import os
import signal
import time

import pytest

from lassbench.errors import LassbenchError
from lassbench.parallel import map_ordered, open_executor


def told_to_end(number: int) -> int:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    return number


def test_what_is_sent_to_every_process_does_not_end_a_worker() -> None:
    with open_executor(2) as executor:
        assert list(map_ordered(executor, told_to_end, range(6))) == list(range(6))
    assert signal.pthread_sigmask(signal.SIG_BLOCK, set()) == set()


def die_or_wait(number: int) -> None:
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(3600)


def test_where_one_was_killed_the_others_are_ended() -> None:
    with (
        pytest.raises(LassbenchError, match="a worker process died"),
        open_executor(2) as executor,
    ):
        # The third tells the pool to look at the second worker, which it started meanwhile.
        list(map_ordered(executor, die_or_wait, [1, 0, 1]))

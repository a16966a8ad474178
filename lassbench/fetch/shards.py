"""``--shard i/n``: the same corpus on several hosts, each its own part."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from lassbench.errors import UsageError
from lassbench.records import Clip


@dataclass(frozen=True)
class Shard:
    """Part ``index`` (from 1) of ``count``."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``2/5`` as a shard.

        Raises
        ------
        UsageError
            If it is not ``i/n`` with 1 <= i <= n.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise UsageError(
                "--shard must be i/n with i from 1 to n",
                got=text,
                fix="for three hosts: --shard 1/3 on the first, 2/3 and 3/3 on the others",
            )
        return cls(int(found[1]), int(found[2]))

    def __contains__(self, clip: Clip) -> bool:
        """Whether ``clip`` is this shard's; all clips of one video are in one shard."""
        digest = hashlib.sha256((clip.youtube_id or clip.clip_id).encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1


def select(clips: Sequence[Clip], shard: Shard | None) -> list[Clip]:
    """The clips of ``shard``, in their order; all of them without one."""
    return [clip for clip in clips if shard is None or clip in shard]

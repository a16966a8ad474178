"""What lassbench says when something is wrong.

Every message answers five questions: what is wrong, where (a file and line, or
an id), what was expected, what was found, and what to do about it.  The command
line prints the message and exits with the error's ``exit_code``; a traceback
is only ever a bug.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

#: How many faults of one kind a message lists before it only counts them.
LISTED_PER_KIND = 10


class LassbenchError(Exception):
    """A failure that a user can understand and act on.

    Parameters
    ----------
    what
        What is wrong, as a sentence without a final full stop.
    where
        The file (with ``:line`` where there is one) or id it was found at.
    expected, got
        What should have been there, and what was.
    fix
        What to do about it.
    """

    exit_code = 1

    def __init__(
        self, what: str, *, where: object = "", expected: str = "", got: str = "", fix: str = ""
    ) -> None:
        self.what, self.where = what, str(where)
        self.expected, self.got, self.fix = expected, got, fix
        super().__init__(self.message())

    def message(self) -> str:
        """The whole message, one line a question."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        lines = [head]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.got:
            lines.append(f"  got:      {self.got}")
        if self.fix:
            lines.append(f"  to do:    {self.fix}")
        return "\n".join(lines)

    def at(self, where: object) -> LassbenchError:
        """The same error, said to be at ``where`` if it names no place itself."""
        if not self.where:
            self.where = str(where)
            self.args = (self.message(),)
        return self

    @property
    def brief(self) -> str:
        """The message as one line, without where and what to do."""
        return f"{self.what}: {self.got}" if self.got else self.what

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive pickling by default, and errors
        # travel back from worker processes.
        return (_rebuild, (type(self), self.__dict__.copy()))


def _rebuild(kind: type[LassbenchError], state: dict[str, object]) -> LassbenchError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    Exception.__init__(error, error.message())
    return error


class LassbenchWarning(UserWarning):
    """What a user should look at, although the work went on."""


class UsageError(LassbenchError):
    """The command or call was wrong: nothing was started (exit code 2)."""

    exit_code = 2


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong with one input.

    Attributes
    ----------
    kind
        A short stable word for counting, such as ``silent`` or ``missing``.
    where
        The file (``:line``) or id.
    reason
        What is wrong with it, in words.
    """

    kind: str
    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" if self.where else self.reason


class FaultsError(LassbenchError):
    """Several inputs are faulty; all of them are reported in one pass.

    Parameters
    ----------
    what
        The sentence above the list.
    faults
        Every fault found; at most :data:`LISTED_PER_KIND` of a kind are
        printed, all are kept in ``faults``.
    fix
        What to do about them.
    """

    def __init__(
        self, what: str, faults: Iterable[Fault], *, where: object = "", fix: str = ""
    ) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__(what, where=where, fix=fix)

    def message(self) -> str:
        """The sentence, the count of each kind, and the faults themselves."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        lines = [head, *describe_faults(self.faults)]
        if self.fix:
            lines.append(f"  to do: {self.fix}")
        return "\n".join(lines)

    @property
    def brief(self) -> str:
        """The sentence and the first faults, as one line."""
        more = f"; and {len(self.faults) - 5} more" if len(self.faults) > 5 else ""
        named = "; ".join(fault.reason for fault in self.faults[:5])
        return one_line(f"{self.what}: {named}{more}", 600)


class UsageFaultsError(FaultsError, UsageError):
    """Several faults of the command or call itself: nothing was started (exit code 2)."""


def describe_faults(faults: Sequence[Fault]) -> list[str]:
    """Lines that list ``faults`` grouped by kind, most frequent kind first."""
    lines: list[str] = []
    counts = Counter(fault.kind for fault in faults)
    for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        lines.append(f"  {kind}: {count}")
        of_kind = [fault for fault in faults if fault.kind == kind]
        lines += [f"    {one_line(str(fault))}" for fault in of_kind[:LISTED_PER_KIND]]
        if count > LISTED_PER_KIND:
            lines.append(f"    ... and {count - LISTED_PER_KIND} more")
    return lines


def one_line(text: str, limit: int = 300) -> str:
    """``text`` with control characters escaped and cut to ``limit`` characters.

    File names and captions come from strangers; a newline or an escape sequence
    in one must not rewrite the terminal.
    """
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def nearest(word: str, known: Iterable[str]) -> str:
    """The one of ``known`` that ``word`` is nearest to, ``""`` if none is near.

    ``test-1`` is ``test-0001``: zeros in front of a number do not count.
    """
    plain: dict[str, str] = {}
    for one in known:
        plain.setdefault(_unpadded(one), one)
    near = get_close_matches(_unpadded(word), plain, n=1, cutoff=0.6)
    return plain[near[0]] if near else ""


def _unpadded(word: str) -> str:
    return re.sub(r"(?<!\d)0+(?=\d)", "", word)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the :func:`nearest` of ``known``, or an empty string."""
    near = nearest(word, known)
    return f" (did you mean {near!r}?)" if near else ""

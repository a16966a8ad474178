"""From a failure's message to its class, and from its class to what is done about it.

:data:`TABLE` is the one place where this is decided.  Its rows stand in the
order in which they are tried (project facts, section 4): YouTube's messages
overlap, and the first row that matches wins.  "This content isn't available,
try again later" must be read as a rate limit before anything takes it for a
video that is gone; a rate limit taken for a dead link costs a clip for ever.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

#: What the run does about a failure of a class.
Action = Literal[
    "stop",  # the address is refused: the clip stays pending, ten in a row stop the run
    "pause",  # the run waits, visibly; no attempt is counted
    "mend",  # this machine lacks something: the clip stays pending, ten in a row stop the run
    "login",  # tried again only in a run with cookies
    "elsewhere",  # tried again only in a run through another address
    "confirm",  # gone only if a later run finds the same
    "gone",  # written off
    "again",  # asked for again at once, from the beginning, TRIES times
    "back-off",  # tried again after a growing wait, TRIES times
    "next",  # this source does not have it, or not whole: the next source is asked
]

#: Tries of one clip at one source in one run (actions ``again`` and ``back-off``).
TRIES = 3

#: Seconds without a byte after which a connection counts as broken.
SOCKET_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class FailureClass:
    """One row of the table.

    Attributes
    ----------
    name
        The word in the ledger, in ``--status`` and in the census.
    action
        What the run does.
    texts
        Any of these in the normalised message makes the row match.
    statuses
        Any of these HTTP statuses in the message makes the row match.
    types
        Any of these exception names in the chain of causes makes the row match.
    advice
        What a person can do about it.
    """

    name: str
    action: Action
    texts: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    types: tuple[str, ...] = ()
    advice: str = ""


#: Texts that say that this machine has no network at all: no fault of the clip.
_OFFLINE = (
    "failed to resolve",
    "name resolution",
    "name or service not known",
    "network is unreachable",
    "no route to host",
    "connection refused",
)

BLOCKED = FailureClass(
    "blocked",
    "stop",
    texts=("not a bot", "captcha challenge", "ip is likely being blocked"),
    advice="wait some hours, give --cookies of an account, or use another address (--proxy)",
)
RATE_LIMITED = FailureClass(
    "rate-limited",
    "pause",
    texts=("try again later", "rate-limited", "too many requests"),
    statuses=(429,),
    advice="wait an hour and go on with a lower --rate, or from another address (--proxy)",
)
NEEDS_LOGIN = FailureClass(
    "needs-login",
    "login",
    texts=(
        *("confirm your age", "age-restricted", "inappropriate"),
        *("members-only", "premium members", "requires payment"),
    ),
    advice="run again with --cookies of an account that may see it",
)
GEO_BLOCKED = FailureClass(
    "geo-blocked",
    "elsewhere",
    texts=("in your country",),
    types=("GeoRestrictedError",),
    advice="run again with a --proxy in another country",
)
PRIVATE = FailureClass("private", "gone", texts=("private video", "video is private"))
REMOVED = FailureClass(
    "removed",
    "gone",
    texts=("removed", "terminated", "violating", "copyright", "no longer available"),
)
UNAVAILABLE = FailureClass(
    "unavailable",
    "confirm",
    texts=(
        "video unavailable",
        "video is unavailable",
        "video is not available",
        "video isn't available",
        "content isn't available",
    ),
    advice="run the same command again later: the second finding settles it",
)
ENVIRONMENT = FailureClass(
    "environment",
    "mend",
    texts=(
        "requested format is not available",
        "no video formats found",
        "no supported javascript runtime",
        "no space left on device",
        "disk quota exceeded",
        "read-only file system",
        "permission denied",
        "cookieloaderror",
        "does not look like a netscape format cookies file",
        "failed to load cookies",
    ),
    types=("CookieLoadError",),
    advice="run `lassbench doctor`: it names what is missing and how to mend it "
    "(most often: pip install --upgrade 'yt-dlp[default,curl-cffi,deno]')",
)
REFUSED = FailureClass(
    "refused",
    "again",
    texts=(
        "did not get any data blocks",
        "file is empty",
        "has no bytes",
        "holds no audio",
        "cannot be decoded",
    ),
    statuses=(403, 404, 410),
    advice="run the same command again",
)
TRANSIENT = FailureClass(
    "transient",
    "back-off",
    texts=(
        "timed out",
        "timeout",
        "connection",
        "incomplete read",
        "incompleteread",
        "more expected",
        "bytes, expected",
        "content too short",
        "breaks off",
        "broken pipe",
        "eof occurred",
        "unexpected_eof",
        "fragment not found",
        *_OFFLINE,
    ),
    statuses=tuple(range(500, 600)),
    types=("TransportError", "TimeoutError", "ContentTooShortError", "IncompleteRead"),
    advice="run the same command again",
)
OUT_OF_RANGE = FailureClass(
    "out-of-range",
    "gone",
    texts=("at or after the end of the video",),
)

#: The classes of the project's facts, in their order.
TABLE: tuple[FailureClass, ...] = (
    BLOCKED,
    RATE_LIMITED,
    NEEDS_LOGIN,
    GEO_BLOCKED,
    PRIVATE,
    REMOVED,
    UNAVAILABLE,
    ENVIRONMENT,
    REFUSED,
    TRANSIENT,
    OUT_OF_RANGE,
)

# What no message of YouTube's stands for: findings of our own.
UNKNOWN = FailureClass(
    "unknown",
    "again",
    advice="read the message (--export), and run the same command again",
)
SILENT = FailureClass("silent", "gone", advice="no mixture can use a clip without a sound")
NEAR_SILENT, CANCELS = (
    FailureClass(name, "gone", advice="--keep-quiet takes it in all the same")
    for name in ("near-silent", "cancels")
)
ABSENT = FailureClass(
    "absent", "next", advice="name another source with --audio, such as --audio youtube"
)
UNFIT = FailureClass(
    "unfit", "next", advice="replace the file by one that holds the clip, or its whole video"
)
DAMAGED = FailureClass(
    "damaged-file",
    "next",
    advice="replace the file and run the same command again, or name another source after it "
    "with --audio",
)
WORKER_DIED = FailureClass("worker-died", "back-off", advice="run the same command again")

CLASSES: dict[str, FailureClass] = {
    row.name: row
    for row in (
        *(*TABLE, UNKNOWN, SILENT, NEAR_SILENT, CANCELS),
        *(ABSENT, UNFIT, DAMAGED, WORKER_DIED),
    )
}

#: Classes whose failures in a row stop the run: they say something about this
#: machine and its address, and nothing about the clips.
BREAKING = frozenset({BLOCKED.name, RATE_LIMITED.name, ENVIRONMENT.name})

#: What ``--retry`` takes.
RETRY: dict[str, frozenset[str]] = {
    "transient": frozenset(
        row.name for row in CLASSES.values() if row.action in {"again", "back-off"}
    ),
    "permanent": frozenset(
        row.name
        for row in CLASSES.values()
        if row.action in {"gone", "confirm", "login", "elsewhere", "next"}
    ),
    "all": frozenset(CLASSES),
}

_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u201b`\u00b4", "'"))
_PREFIX = re.compile(r"^(?:error:\s*)?(?:\[[^\]]*\]\s*)?(?:[\w-]{11}:\s+)?", re.IGNORECASE)
_STATUS = re.compile(r"(?:http error|status(?: code)?[ :=]*|http/\d(?:\.\d)?)\s*(\d{3})\b")


def normalise(message: str) -> str:
    """``message`` as the table reads it: lower case, plain apostrophes, no video id.

    The id is dropped because an id is any eleven letters, and may spell a word
    of the table.
    """
    plain = " ".join(message.translate(_APOSTROPHES).split())
    return _PREFIX.sub("", plain).lower()


def classify(message: str, types: Collection[str] = ()) -> FailureClass:
    """The class of a failure.

    Parameters
    ----------
    message
        The message as it was received.
    types
        Names of the exception and of its causes.

    Returns
    -------
    The first row of :data:`TABLE` that matches, or :data:`UNKNOWN`.
    """
    text = normalise(message)
    statuses = {int(found) for found in _STATUS.findall(text)}
    for row in TABLE:
        if (
            any(part in text for part in row.texts)
            or not statuses.isdisjoint(row.statuses)
            or not set(types).isdisjoint(row.types)
        ):
            return row
    return UNKNOWN


def is_offline(message: str) -> bool:
    """Whether the message says that nothing at all was reached."""
    text = normalise(message)
    return any(part in text for part in _OFFLINE)


class SourceFailure(Exception):
    """A source could not deliver a clip.

    Attributes
    ----------
    kind
        The class.
    message
        The original message.
    received
        Bytes that were transferred all the same.
    """

    def __init__(self, kind: FailureClass, message: str, *, received: int = 0) -> None:
        self.kind, self.message, self.received = kind, message, received
        super().__init__(message)


class Cancelled(Exception):
    """The run is ending: what was under way says nothing about the clip."""

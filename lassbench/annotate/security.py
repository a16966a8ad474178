"""What stands before every request: host, origin, sizes, rates, and the headers of every reply."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: A save holds one sentence; nothing that is sent here is longer.
MAX_BODY = 32 * 1024
MAX_ADDRESS = 2048

#: No inline script or style, nothing from elsewhere, no frames.  The referrer
#: policy is not `no-referrer`, for then a browser sends `Origin: null` with forms.
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-robots-tag": "noindex, nofollow",
}
_SAFE = {"GET", "HEAD", "OPTIONS"}


class TooLargeError(Exception):
    """The body of a request is larger than :data:`MAX_BODY`."""


async def read_body(request: Request) -> bytes:
    """The body of a request.

    Raises
    ------
    TooLargeError
        As soon as it is larger than :data:`MAX_BODY`, whatever its header said.
    """
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise TooLargeError
        parts.append(part)
    return b"".join(parts)


class Guard:
    """ASGI middleware: refuses what is not meant for this server, dresses every reply.

    Parameters
    ----------
    hosts
        Names that the server answers to, without port; a page elsewhere that has
        its own name resolve to this address is refused (DNS rebinding).
    secure
        Whether browsers reach the server by TLS.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], secure: bool = False) -> None:
        self.app, self.hosts, self.secure = app, frozenset(hosts), secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
                if self.secure:
                    headers.setdefault("strict-transport-security", "max-age=31536000")
            await send(message)

        refused = self._refuse(scope)
        if refused:
            await PlainTextResponse(refused[1] + "\n", status_code=refused[0])(
                scope, receive, dressed
            )
        else:
            await self.app(scope, receive, dressed)

    def _refuse(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if _name(host) not in self.hosts:
            return 421, "This server is not called that."
        if len(scope["path"]) + len(scope["query_string"]) > MAX_ADDRESS:
            return 414, "The address is too long."
        length = headers.get("content-length", "0")
        # Python refuses to read numbers of thousands of digits.
        if not length.isdecimal() or len(length) > 9 or int(length) > MAX_BODY:
            return 413, "That is too large."
        if scope["method"] not in _SAFE and not _same_origin(headers, host):
            return 403, "This came from another site."
        return None


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _same_origin(headers: Headers, host: str) -> bool:
    """Whether a browser says that a page of this server sent the request."""
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = headers.get("origin")
    if origin is None:
        return site == "same-origin"
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


class RateLimiter:
    """Token buckets by key: ``burst`` at once, ``rate`` a second after that.

    Parameters
    ----------
    most
        Keys remembered; the one that was used longest ago is forgotten first.
    """

    def __init__(
        self,
        *,
        rate: float,
        burst: float,
        most: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate, self.burst, self.most, self.clock = rate, burst, most, clock
        # Key -> its tokens, and when they were so many.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, key: str) -> int:
        """Seconds that ``key`` has to wait, 0 if it may go on (and then takes a token)."""
        now = self.clock()
        with self._lock:
            had, at = self._buckets.pop(key, (self.burst, now))
            tokens = min(self.burst, had + (now - at) * self.rate)
            may = tokens >= 1.0
            self._buckets[key] = (tokens - 1.0 if may else tokens, now)
            if len(self._buckets) > self.most:
                self._buckets.popitem(last=False)
        return 0 if may else max(1, math.ceil((1.0 - tokens) / self.rate))

"""A loopback site that misbehaves the ways YouTube and its media servers do."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.fetch import media

#: What the player says of a video that cannot be played: (status, reason, subreason).
REASONS: dict[str, tuple[str, str, str]] = {
    "private": (
        "LOGIN_REQUIRED",
        "Private video",
        "Sign in if you've been granted access to this video",
    ),
    "removed": ("ERROR", "Video unavailable", "This video has been removed by the uploader"),
    "terminated": (
        "ERROR",
        "Video unavailable",
        "This video is no longer available because the YouTube account associated with this "
        "video has been terminated.",
    ),
    "unavailable": ("ERROR", "Video unavailable", ""),
    "bot": (
        "LOGIN_REQUIRED",
        "Sign in to confirm you\u2019re not a bot",
        "This helps protect our community. Learn more",
    ),
    "limited": ("ERROR", "This content isn't available, try again later.", ""),
    "age": (
        "LOGIN_REQUIRED",
        "Sign in to confirm your age",
        "This video may be inappropriate for some users.",
    ),
    "country": (
        "UNPLAYABLE",
        "Video unavailable",
        "The uploader has not made this video available in your country",
    ),
}

#: What the media server does wrong.
MEDIA_FAULTS = {
    *("forbidden", "forbidden-once", "cut-off", "cut-off-once", "empty", "html", "slow"),
    *("server-error", "stalls", "gone", "no-ranges"),
}


@dataclass
class Video:
    """One video of the site.

    ``behaviour`` is a key of :data:`REASONS`, one of :data:`MEDIA_FAULTS`,
    ``images-only``, ``http-429``, ``http-503``, or ``""`` for a good one.
    """

    data: bytes = b""
    kind: str = "webm"
    told_s: float = 0.0
    behaviour: str = ""
    asked: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Hit:
    """One request in the site's log."""

    at: float
    what: str
    video_id: str
    range: str
    cookie: str
    status: int
    by_proxy: bool


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that are killed break connections off; that is what they are here for."""


class Site:
    """The site; use as a context manager.

    Attributes
    ----------
    videos
        By id.
    log
        Every request.
    mood
        Called with a video's id before each player answer; what it returns
        stands in for the video's behaviour, ``None`` leaves it.
    """

    def __init__(self) -> None:
        self.videos: dict[str, Video] = {}
        self.log: list[Hit] = []
        self.mood: Callable[[str], str | None] = lambda _: None
        self.delay_s = 0.0
        self._port = 0
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def up(self) -> None:
        """Answer, at the same address as before."""
        handler = type("Handler", (_Handler,), {"site": self})
        self._server = _Server(("127.0.0.1", self._port), handler)
        self._port = self._server.server_address[1]
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def down(self) -> None:
        """Refuse connections, as a machine without a network would see it."""
        self._server.shutdown()
        self._server.server_close()

    def add(
        self,
        video_id: str,
        behaviour: str = "",
        *,
        number: int = 0,
        seconds: float = 6.0,
        kind: str = "webm",
        told_s: float | None = None,
    ) -> Video:
        """A video of ``seconds`` of recordings; ``told_s`` is what the player tells."""
        data = b"" if behaviour in REASONS else media.medium(number, seconds, kind)
        video = Video(data, kind, seconds if told_s is None else told_s, behaviour)
        self.videos[video_id] = video
        return video

    def requests(self, what: str) -> Counter[str]:
        """How often each video was asked for: ``player`` or ``media``."""
        return Counter(hit.video_id for hit in list(self.log) if hit.what == what)

    def player(self, video_id: str) -> tuple[int, dict[str, Any]]:
        """Status and body of the player's answer."""
        video = self.videos.get(video_id, Video(behaviour="unavailable"))
        mood = self.mood(video_id)
        behaviour = video.behaviour if mood is None else mood
        if behaviour.startswith("http-"):
            return int(behaviour.removeprefix("http-")), {}
        if behaviour in REASONS:
            return 200, _refusal(video_id, *REASONS[behaviour])
        return 200, self._playable(video_id, video, behaviour)

    def _playable(self, video_id: str, video: Video, behaviour: str) -> dict[str, Any]:
        mime, itag = media.KINDS[video.kind][3:]
        audio = {
            "itag": itag,
            "url": f"{self.url}/media/{video_id}.{video.kind}",
            "mimeType": mime,
            "bitrate": 64000,
            "averageBitrate": 64000,
            "contentLength": str(len(video.data)),
            "audioQuality": "AUDIO_QUALITY_MEDIUM",
            "approxDurationMs": str(round(1000 * video.told_s)),
        }
        picture = {
            "itag": 160,
            "url": f"{self.url}/media/{video_id}.picture",
            "mimeType": 'video/mp4; codecs="avc1.4d400c"',
            "bitrate": 100000,
            "width": 256,
            "height": 144,
            "qualityLabel": "144p",
        }
        return {
            "playabilityStatus": {"status": "OK"},
            "videoDetails": {
                "videoId": video_id,
                "title": "recordings",
                "lengthSeconds": str(int(video.told_s)),
                "isLiveContent": False,
            },
            # What is left without a JavaScript runtime or a PO token: images.
            "streamingData": {
                "adaptiveFormats": [] if behaviour == "images-only" else [picture, audio]
            },
            "storyboards": {
                "playerStoryboardSpecRenderer": {
                    "spec": "https://i.ytimg.com/sb/x/L$L/$N.jpg|48#27#100#10#10#0#default#rs"
                }
            },
        }


def _refusal(video_id: str, status: str, reason: str, subreason: str) -> dict[str, Any]:
    message: dict[str, Any] = {"reason": {"simpleText": reason}}
    if subreason:
        message["subreason"] = {"simpleText": subreason}
    return {
        "playabilityStatus": {
            "status": status,
            "reason": reason,
            "errorScreen": {"playerErrorMessageRenderer": message},
        },
        "videoDetails": {"videoId": video_id, "title": "recordings"},
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        # A client that takes us for its proxy sends whole addresses.
        what, _, name = urlsplit(self.path).path.lstrip("/").partition("/")
        video_id = name.split(".")[0]
        if self.site.delay_s:
            time.sleep(self.site.delay_s)
        if what == "player":
            status, body = self.site.player(video_id)
            self._send(what, video_id, status, json.dumps(body).encode(), "application/json")
        elif what == "media" and video_id in self.site.videos:
            self._media(video_id, self.site.videos[video_id])
        else:
            self._send(what, video_id, 404, b"", "text/plain")

    do_HEAD = do_GET

    def _media(self, video_id: str, video: Video) -> None:
        video.asked["media"] += 1
        first = video.asked["media"] == 1
        fault = video.behaviour
        if fault == "forbidden" or (fault == "forbidden-once" and first):
            self._send("media", video_id, 403, b"", "text/plain")
        elif fault == "server-error":
            self._send("media", video_id, 503, b"", "text/plain")
        elif fault == "gone":
            self._send("media", video_id, 404, b"", "text/plain")
        elif fault == "empty":
            self._send("media", video_id, 200, b"", "audio/webm")
        elif fault == "html":
            page = b"<!DOCTYPE html><html><body>Before you continue</body></html>"
            self._send("media", video_id, 200, page, "text/html")
        else:
            self._stream(video_id, video, fault, first=first)

    def _stream(self, video_id: str, video: Video, fault: str, *, first: bool) -> None:
        wanted = "" if fault == "no-ranges" else self.headers.get("Range", "")
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
        size = len(video.data)
        start = int(asked[1]) if asked else 0
        stop = min(size, int(asked[2]) + 1) if asked and asked[2] else size
        part = video.data[start:stop]
        headers = {"Accept-Ranges": "bytes"}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        status = 206 if asked else 200
        half = part[: len(part) // 2]
        if fault == "cut-off" or (fault == "cut-off-once" and first):
            self._send("media", video_id, status, part, "audio/webm", headers, sent=half)
        elif fault == "stalls":
            self._send(
                "media", video_id, status, part, "audio/webm", headers, sent=half, stall=True
            )
        elif fault == "slow":
            self._send("media", video_id, status, part, "audio/webm", headers, slow_s=1.0)
        else:
            self._send("media", video_id, status, part, "audio/webm", headers)

    def _send(
        self,
        what: str,
        video_id: str,
        status: int,
        body: bytes,
        kind: str,
        headers: dict[str, str] | None = None,
        *,
        sent: bytes | None = None,
        stall: bool = False,
        slow_s: float = 0.0,
    ) -> None:
        asked = self.headers.get("Range", "")
        cookie = self.headers.get("Cookie", "")
        self.site.log.append(
            Hit(time.time(), what, video_id, asked, cookie, status, self.path.startswith("http"))
        )
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            self._write(body if sent is None else sent, slow_s)
            if stall:
                time.sleep(30)
        except (BrokenPipeError, ConnectionResetError):
            pass
        if sent is not None:
            self.close_connection = True

    def _write(self, body: bytes, slow_s: float) -> None:
        pieces = 10 if slow_s else 1
        size = -(-len(body) // pieces) or 1
        for at in range(0, len(body), size):
            self.wfile.write(body[at : at + size])
            self.wfile.flush()
            time.sleep(slow_s / pieces)

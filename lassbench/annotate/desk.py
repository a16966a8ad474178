"""What all pages share: the store, the sounds, the templates, and who is asking."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from lassbench.annotate import access, checks
from lassbench.annotate.access import Identity, Role
from lassbench.annotate.campaign import LANGUAGES
from lassbench.annotate.language import Beside
from lassbench.annotate.security import RateLimiter, read_body
from lassbench.annotate.sounds import Sounds
from lassbench.annotate.store import Store

if TYPE_CHECKING:
    from lassbench.dataset import Dataset

FOLDER = Path(__file__).parent


@lru_cache(maxsize=1)
def templates() -> Environment:
    """The pages' templates: everything is escaped, an unknown name is an error."""
    return Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@dataclass
class Desk:
    """One campaign that is being served.

    Attributes
    ----------
    secure
        Whether browsers reach it by TLS; cookies then never go without.
    checking
        Checks words beside the loop, for that waits for the detector's process.
    """

    store: Store
    dataset: Dataset
    secure: bool = False
    detector: Beside = field(init=False)
    sounds: Sounds = field(init=False)
    orders: dict[str, list[str]] = field(init=False)
    # Pauses in typing are never this frequent for long.
    saves: RateLimiter = field(default_factory=lambda: RateLimiter(rate=5.0, burst=60.0))
    plays: RateLimiter = field(default_factory=lambda: RateLimiter(rate=10.0, burst=120.0))
    # Wrong links that one address may try.  256 bits cannot be guessed at any rate.
    tries: RateLimiter = field(default_factory=lambda: RateLimiter(rate=0.5, burst=20.0))
    # One thread: of fifty who save at once each is answered in turn, where fifty
    # threads would all be done last.
    checking: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "checks"))

    def __post_init__(self) -> None:
        campaign = self.store.campaign
        self.detector = Beside(campaign.language)
        self.sounds = Sounds(self.dataset)
        self.orders = {who: campaign.order(who) for who in campaign.annotators}

    def start(self) -> None:
        """Begin to load what tells languages apart."""
        self.detector.start()

    def close(self) -> None:
        """End what :meth:`start` began."""
        self.detector.close()
        self.checking.shutdown()

    def cookie(self, role: Role) -> str:
        """The name of the session cookie; over TLS browsers bind ``__Host-`` to this host."""
        return f"{'__Host-' if self.secure else ''}lassbench-{role}"

    def identity(self, request: Request, role: Role) -> Identity | None:
        """Who is asking in this role, or ``None`` without a valid session."""
        secret = request.cookies.get(self.cookie(role))
        found = access.of_session(self.store, secret) if secret else None
        return found if found is not None and found.role == role else None

    def page(self, name: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """The page of that name."""
        campaign = self.store.campaign
        values.setdefault("who", "")
        html = (
            templates()
            .get_template(name)
            .render(campaign=campaign, language=LANGUAGES[campaign.language], **values)
        )
        return HTMLResponse(html, status_code=status)

    def message(self, title: str, text: str, *, status: int, leave: bool = False) -> HTMLResponse:
        """A page that only says something, with a button to ``leave`` where that helps."""
        return self.page("message.html", status=status, title=title, text=text, leave=leave)

    def unsent(
        self,
        request: Request,
        form: Mapping[str, str],
        title: str,
        why: str,
        *,
        status: int,
        leave: bool = False,
    ) -> HTMLResponse:
        """A page that gives a form that was not saved back: to send again as it was, or to copy.

        Nothing of it is kept on the server, which does not know who sent it.
        """
        return self.page(
            "unsent.html",
            status=status,
            title=title,
            why=why,
            address=request.url.path,
            typed=[(name, TYPED[name], checks.clean(form[name])) for name in TYPED if name in form],
            carried=[(name, form[name]) for name in _CARRIED if name in form],
            leave=leave,
        )


def desk_of(request: Request) -> Desk:
    """The desk that a request is for."""
    desk: Desk = request.app.state.desk
    return desk


Handler = Callable[[Request], Awaitable[Response]]
KnownHandler = Callable[[Request, Desk, Identity], Awaitable[Response]]

NO_SESSION = (
    "Open your personal link",
    "This page needs the link that the coordinator sent you. If you had it open before, "
    "it may have expired or been replaced: ask the coordinator for a new one.",
)

EXPIRED = (
    "Not saved yet",
    "This browser's link has expired or was replaced, so this could not be saved. Nothing is "
    "lost: keep this page open, open your personal link in another tab (if it no longer works "
    "the coordinator makes a new one), then come back here and press “Send again”.",
)
#: The fields of forms that people type into, and what a page calls them.
TYPED = {"text": "What you wrote", "note": "Your note"}
#: What is sent with them.
_CARRIED = ("who", "base", "action", "reason", "annotator")


def known(role: Role) -> Callable[[KnownHandler], Handler]:
    """Let only those through who have a valid session in this role.

    A form from anybody else comes back with its words, to be sent again.
    """

    def wrap(handler: KnownHandler) -> Handler:
        async def wrapped(request: Request) -> Response:
            desk = desk_of(request)
            identity = desk.identity(request, role)
            if identity is not None:
                return await handler(request, desk, identity)
            if request.method == "PUT":
                return JSONResponse({"error": NO_SESSION[1]}, status_code=401)
            form = await read_form(request) if request.method == "POST" else {}
            if any(form.get(name, "").strip() for name in (*TYPED, "reason")):
                return desk.unsent(request, form, *EXPIRED, status=401)
            return desk.message(*NO_SESSION, status=401)

        return wrapped

    return wrap


class BadRequestError(Exception):
    """What was sent cannot be understood."""


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; of a field that stands twice, the last.

    Raises
    ------
    BadRequestError
        If there are more fields than any form here has.
    """
    text = (await read_body(request)).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=50))
    except ValueError as error:
        raise BadRequestError("no form of these pages has so many fields") from error


def ranged(request: Request, data: bytes, media_type: str) -> Response:
    """``data``, or the one range of it that was asked for (RFC 9110, section 14)."""
    headers = {"accept-ranges": "bytes", "cache-control": "private, max-age=3600"}
    asked = request.headers.get("range")
    matched = re.fullmatch(r"bytes=(\d{0,15})-(\d{0,15})", asked.strip()) if asked else None
    if matched is None or matched.group(0) == "bytes=-":
        return Response(data, media_type=media_type, headers=headers)
    first, last = matched.groups()
    start = int(first) if first else max(0, len(data) - int(last))
    stop = min(int(last) + 1, len(data)) if first and last else len(data)
    if start >= stop:
        headers["content-range"] = f"bytes */{len(data)}"
        return Response(status_code=416, headers=headers)
    headers["content-range"] = f"bytes {start}-{stop - 1}/{len(data)}"
    return Response(data[start:stop], status_code=206, media_type=media_type, headers=headers)

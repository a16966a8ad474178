"""The web page of a campaign: the application, and the server that runs it."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from lassbench.annotate import annotator, coordinator
from lassbench.annotate.desk import BadRequestError, Desk, desk_of
from lassbench.annotate.security import Guard, TooLargeError
from lassbench.annotate.store import Store
from lassbench.errors import LassbenchError, UsageError

if TYPE_CHECKING:
    from lassbench.dataset import Dataset

LOCAL = ("127.0.0.1", "localhost", "::1")
STATIC = Path(__file__).parent / "static"


def application(
    store: Store, dataset: Dataset, *, hosts: tuple[str, ...] = LOCAL, secure: bool = False
) -> Starlette:
    """The ASGI application.

    Parameters
    ----------
    hosts
        Names that it answers to.
    secure
        Whether browsers reach it by TLS: cookies are then bound to it.
    """
    desk = Desk(store, dataset, secure)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        desk.start()
        try:
            yield
        finally:
            desk.close()

    app = Starlette(
        routes=[
            *annotator.ROUTES,
            *coordinator.ROUTES,
            Route("/robots.txt", _robots),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Guard, hosts=hosts, secure=secure)],
        exception_handlers={
            404: _missing,
            405: _missing,
            TooLargeError: _too_large,
            BadRequestError: _not_understood,
            LassbenchError: _failed,
        },
        lifespan=lifespan,
    )
    app.state.desk = desk
    return app


async def _robots(_request: Request) -> Response:
    return Response("User-agent: *\nDisallow: /\n", media_type="text/plain")


async def _missing(request: Request, _error: Exception) -> Response:
    return desk_of(request).message("Nothing here", "There is no page at this address.", status=404)


async def _too_large(request: Request, _error: Exception) -> Response:
    return desk_of(request).message("That is too large", "One sentence is enough.", status=413)


async def _not_understood(request: Request, error: Exception) -> Response:
    return desk_of(request).message(
        "That could not be understood", str(error).capitalize(), status=422
    )


async def _failed(request: Request, error: Exception) -> Response:
    """A full disk, a damaged clip: the page keeps its words and tries again."""
    what = error.what if isinstance(error, LassbenchError) else "It failed"
    return desk_of(request).message("That did not work", what, status=503)


def is_local(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _is_wildcard(host: str) -> bool:
    """Whether ``host`` stands for every address of this machine, however it is written."""
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
        return any(ipaddress.ip_address(str(one[4][0])).is_unspecified for one in found)
    except (OSError, ValueError):
        return host == ""


def check_place(host: str, *, allow_network: bool, public_url: str) -> str:
    """The scheme and host that browsers use, from ``--public-url`` or ``""``.

    Raises
    ------
    UsageError
        If other machines would reach the server without that having been
        allowed, the public address is none, or ``host`` is a wildcard address
        (``0.0.0.0``) and there is no public one for the links.
    """
    if not is_local(host) and not allow_network:
        raise UsageError(
            "other machines could reach this address",
            where=host,
            fix=(
                "leave --host out and put a TLS proxy before it, or add --allow-network and know "
                "that links, cookies and words then travel unencrypted without such a proxy"
            ),
        )
    if not public_url and _is_wildcard(host):
        raise UsageError(
            "nobody can open links to a wildcard address",
            where=host,
            expected="--public-url with the address that browsers open",
            fix="such as --public-url https://annotate.example.org, or name one address as --host",
        )
    if not public_url:
        return ""
    parts = urlsplit(public_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise UsageError(
            "--public-url is no address of a whole host",
            expected="such as https://annotate.example.org",
            got=public_url,
        )
    return f"{parts.scheme}://{parts.netloc}"


def host_names(host: str, public: str) -> tuple[str, ...]:
    """The names that a server on ``host`` answers to besides the local ones.

    On a wildcard address (``0.0.0.0``) these are the machine's own.
    """
    names = [urlsplit(public).hostname or ""] if public else []
    if not is_local(host):
        names.append(host)
        with contextlib.suppress(OSError):
            own = socket.gethostname()
            names += [own.lower(), *(str(a[4][0]) for a in socket.getaddrinfo(own, None))]
    return tuple(name for name in names if name)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises
    ------
    LassbenchError
        If the address cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=512)
        # Connections have it from here.  asyncio would set it, but does not for a
        # socket that was made without a protocol number; without it the second part
        # of a reply waits 40 ms for the browser to confirm the first.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        raise LassbenchError(
            f"cannot listen: {error.strerror or error}",
            where=f"{host}:{port}",
            fix="choose another --port or --host",
        ) from error


def run(app: Starlette, listening: socket.socket) -> None:
    """Serve until interrupted.  Nothing about visitors is logged."""
    import uvicorn

    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=1000,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=16 * 1024,
    )
    uvicorn.Server(config).run(sockets=[listening])

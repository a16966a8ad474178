"""The annotator's pages.  They know a clip by its place in the annotator's own order alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from lassbench.annotate import access, checks
from lassbench.annotate.access import Identity
from lassbench.annotate.desk import (
    NO_SESSION,
    BadRequestError,
    Desk,
    desk_of,
    known,
    ranged,
    read_form,
)
from lassbench.annotate.security import read_body
from lassbench.annotate.store import Answer, Change, LockedError, Saved
from lassbench.errors import LassbenchError

#: Why somebody cannot tell what is heard: stored word -> what the page says.
REASONS = {
    "too quiet": "It is too quiet.",
    "too noisy": "Too much else is heard, or it is too noisy.",
    "not recognised": "I hear it well, but do not recognise it.",
    "technical": "It does not play.",
}
_ACTIONS = ("draft", "done", "cannot")
#: Seconds and plays that one save of a page may add.
MOST_SECONDS, MOST_PLAYS = 600.0, 100


@dataclass(frozen=True)
class Sent:
    """What a page sent to be saved.

    Attributes
    ----------
    who
        Whose page it was.  The browser may have opened another person's link
        since: their session saves nothing of it.  ``""`` if it did not say.
    """

    text: str
    action: str
    reason: str = ""
    base: int | None = None
    writer: str = ""
    seconds: float = 0.0
    plays: int = 0
    who: str = ""


# Coming and going ------------------------------------------------------------


async def welcome(request: Request) -> Response:
    """The page of a personal link.  It changes nothing: mail scanners open links too."""
    desk = desk_of(request)
    secret = request.path_params["secret"]
    identity, refused = _of_link(request, desk, secret)
    if identity is None:
        return refused or desk.message(*NO_SESSION, status=404)
    present = desk.identity(request, "annotator")
    if present and identity.role == "annotator" and present.annotator != identity.annotator:
        return desk.message(
            "This link is somebody else's",
            f"This browser is signed in as {present.annotator}. Nothing of the other list is "
            "shown. If the link is yours, leave first, then open it again.",
            status=403,
            leave=True,
        )
    agreed = identity.annotator in desk.store.consents()
    return desk.page(
        "welcome.html", identity=identity, secret=secret, agreed=agreed, missing_consent=False
    )


async def enter(request: Request) -> Response:
    """Open a session; an annotator agrees to the consent text first."""
    desk = desk_of(request)
    form = await read_form(request)
    secret = form.get("secret", "")
    identity, refused = _of_link(request, desk, secret)
    if identity is None:
        return refused or desk.message(*NO_SESSION, status=404)
    if identity.role == "annotator" and identity.annotator not in desk.store.consents():
        if form.get("consent") != "yes":
            return desk.page(
                "welcome.html",
                status=422,
                identity=identity,
                secret=secret,
                agreed=False,
                missing_consent=True,
            )
        await asyncio.wrap_future(desk.store.consent(identity.annotator))
    session, stored = access.open_session(desk.store, identity)
    await asyncio.wrap_future(stored)
    reply = RedirectResponse("/" if identity.role == "annotator" else "/coordinator", 303)
    reply.set_cookie(
        desk.cookie(identity.role),
        session,
        max_age=60 * 86400,
        httponly=True,
        samesite="strict",
        secure=desk.secure,
    )
    return reply


async def leave(request: Request) -> Response:
    """End the sessions of this browser."""
    desk = desk_of(request)
    await read_body(request)
    reply = desk.message(
        "You have left", "Open your personal link to go on with your list.", status=200
    )
    for role in ("annotator", "coordinator"):
        secret = request.cookies.get(desk.cookie(role))
        if secret:
            await asyncio.wrap_future(access.close_session(desk.store, secret))
            reply.delete_cookie(
                desk.cookie(role), httponly=True, samesite="strict", secure=desk.secure
            )
    return reply


def _of_link(request: Request, desk: Desk, secret: str) -> tuple[Identity | None, Response | None]:
    """Whom a link belongs to; an address that tries many wrong ones has to wait.

    A right one never waits: behind a proxy all visitors share one address, and
    whoever tries wrong links there would keep everybody out.
    """
    identity = access.of_link(desk.store, secret)
    if identity is not None:
        return identity, None
    wait = desk.tries.wait(request.client.host if request.client else "")
    if not wait:
        return None, None
    reply = desk.message("Too many tries", f"Try again in {wait} seconds.", status=429)
    reply.headers["retry-after"] = str(wait)
    return None, reply


# The list and one clip ---------------------------------------------------------


async def overview(request: Request) -> Response:
    """All clips of an annotator and how far each is."""
    desk = desk_of(request)
    identity = desk.identity(request, "annotator")
    if identity is None:
        if desk.identity(request, "coordinator"):
            return RedirectResponse("/coordinator", 303)
        return desk.message(*NO_SESSION, status=401)
    who = identity.annotator
    answers, flags = desk.store.answers(who), desk.store.flags()
    rows = []
    for number, clip_id in enumerate(desk.orders[who], start=1):
        answer = answers.get((who, clip_id), Answer(who, clip_id))
        begun = bool(answer.text) or answer.state != "draft"
        rows.append(
            {
                "number": number,
                "state": answer.state if begun else "none",
                "text": answer.text,
                "flagged": (who, clip_id) in flags,
            }
        )
    locked = who in desk.store.locked()
    return desk.page("overview.html", who=who, rows=rows, locked=locked, **_progress(desk, who))


@known("annotator")
async def guidelines(_request: Request, desk: Desk, identity: Identity) -> Response:
    """The guidelines and the consent text."""
    who = identity.annotator
    return desk.page("guidelines.html", who=who, **_progress(desk, who))


@known("annotator")
async def clip(request: Request, desk: Desk, identity: Identity) -> Response:
    """One clip: hear it, describe it."""
    clip_id = _clip_id(request, desk, identity)
    if clip_id is None:
        return desk.message("No such sound", "Your list has no sound of that number.", status=404)
    return await _clip_page(request, desk, identity, desk.store.answer(identity.annotator, clip_id))


@known("annotator")
async def save(request: Request, desk: Desk, identity: Identity) -> Response:
    """Save a draft or finish a description; the page's script sends and reads JSON."""
    clip_id = _clip_id(request, desk, identity)
    if clip_id is None:
        return JSONResponse({"error": "no such sound"}, status_code=404)
    wait = desk.saves.wait(str(identity.token_id))
    if wait:
        return JSONResponse(
            {"error": "too many saves"}, status_code=429, headers={"retry-after": str(wait)}
        )
    try:
        sent = _parse(await read_body(request))
        if _is_anothers(sent, identity):
            return JSONResponse({"error": "this page is somebody else's"}, status_code=403)
        saved, findings = await _save(desk, identity, clip_id, sent)
    except BadRequestError as error:
        return JSONResponse({"error": str(error)}, status_code=422)
    except LockedError as error:
        return JSONResponse({"error": error.what}, status_code=423)
    answer = saved.answer
    reply: dict[str, Any] = {
        "revision": answer.revision,
        "state": answer.state,
        "findings": [{"level": one.level, "message": one.message} for one in findings],
    }
    if not saved.accepted:
        return JSONResponse({**reply, "text": answer.text}, status_code=409)
    if sent.action != "draft" and answer.state == sent.action:
        reply["next"] = _next(desk, identity.annotator, request.path_params["number"])
    return JSONResponse(reply)


@known("annotator")
async def save_form(request: Request, desk: Desk, identity: Identity) -> Response:
    """Save without a script: the page's plain form."""
    clip_id = _clip_id(request, desk, identity)
    if clip_id is None:
        return desk.message("No such sound", "Your list has no sound of that number.", status=404)
    form = await read_form(request)
    sent = _of_form(form)
    if _is_anothers(sent, identity):
        why = (
            f"This page was {sent.who}'s, and this browser is signed in as {identity.annotator} "
            f"by now, so it was not saved. If you are {sent.who}: press “Leave”, open your "
            "personal link in another tab, then come back here and press “Send again”."
        )
        title = "These words are somebody else's"
        return desk.unsent(request, form, title, why, status=403, leave=True)
    wait = desk.saves.wait(str(identity.token_id))
    if wait:
        why = f"Too many saves at once. Wait {wait} seconds, then press the button again."
        reply = await _unsaved_page(request, desk, identity, sent, why=why, status=429)
        reply.headers["retry-after"] = str(wait)
        return reply
    try:
        saved, findings = await _save(desk, identity, clip_id, _check(sent))
    except BadRequestError as error:
        return await _unsaved_page(request, desk, identity, sent, why=str(error), status=422)
    except LassbenchError as error:
        status = 423 if isinstance(error, LockedError) else 503
        return await _unsaved_page(request, desk, identity, sent, why=error.what, status=status)
    if saved.accepted and saved.answer.state == sent.action != "draft":
        return RedirectResponse(
            _next(desk, identity.annotator, request.path_params["number"]), status_code=303
        )
    if not saved.accepted:
        note = "This was changed elsewhere meanwhile; below is what is saved. You had written: "
        findings = [checks.Finding("warning", "elsewhere", note + sent.text)]
    return await _clip_page(request, desk, identity, saved.answer, findings, status=422)


@known("annotator")
async def sound(request: Request, desk: Desk, identity: Identity) -> Response:
    """The clip's sound."""
    return await send_media(request, desk, _clip_id(request, desk, identity), identity)


async def send_media(
    request: Request, desk: Desk, clip_id: str | None, identity: Identity
) -> Response:
    """The sound or picture (``kind`` in the path) of a clip."""
    kind = request.path_params["kind"]
    if clip_id is None or kind not in {"sound.flac", "picture.png"}:
        return JSONResponse({"error": "no such sound"}, status_code=404)
    wait = desk.plays.wait(str(identity.token_id))
    if wait:
        return JSONResponse(
            {"error": "too many requests"}, status_code=429, headers={"retry-after": str(wait)}
        )
    if kind == "sound.flac":
        return ranged(request, await run_in_threadpool(desk.sounds.flac, clip_id), "audio/flac")
    return ranged(request, await run_in_threadpool(desk.sounds.png, clip_id), "image/png")


def _is_anothers(sent: Sent, identity: Identity) -> bool:
    return sent.who not in {"", identity.annotator}


def _clip_id(request: Request, desk: Desk, identity: Identity) -> str | None:
    number = request.path_params["number"]
    order = desk.orders[identity.annotator]
    return order[number - 1] if 1 <= number <= len(order) else None


def _progress(desk: Desk, who: str) -> dict[str, int]:
    answers = desk.store.answers(who).values()
    finished = sum(answer.state != "draft" for answer in answers)
    return {"finished": finished, "total": len(desk.orders[who])}


def _next(desk: Desk, who: str, number: int) -> str:
    """The address of the next clip that is not finished, or the list's when none is left."""
    answers, order = desk.store.answers(who), desk.orders[who]
    for step in range(len(order)):
        at = (number + step) % len(order)
        answer = answers.get((who, order[at]))
        if answer is None or answer.state == "draft":
            return f"/clip/{at + 1}"
    return "/"


async def _unsaved_page(
    request: Request, desk: Desk, identity: Identity, sent: Sent, *, why: str, status: int
) -> Response:
    """The clip's page with words that were not saved still in its form, and why not."""
    who = identity.annotator
    stored = desk.store.answer(who, desk.orders[who][request.path_params["number"] - 1])
    text = checks.clean(sent.text)
    base = stored.revision if sent.base is None else sent.base
    shown = replace(stored, text=text, reason=sent.reason, revision=base)
    if sent.action == "cannot":
        shown = replace(shown, state="cannot")  # the page then opens with the reasons
    findings = [checks.Finding("error", "not saved", f"Not saved: {why[:1].lower()}{why[1:]}")]
    return await _clip_page(request, desk, identity, shown, findings, unsaved=True, status=status)


async def _clip_page(
    request: Request,
    desk: Desk,
    identity: Identity,
    answer: Answer,
    findings: list[checks.Finding] | None = None,
    *,
    unsaved: bool = False,
    status: int = 200,
) -> Response:
    who, number = identity.annotator, request.path_params["number"]
    if findings is None:
        findings = await _findings(desk, who, answer.clip_id, answer.text) if answer.text else []
    return desk.page(
        "clip.html",
        status=status,
        who=who,
        number=number,
        answer=answer,
        findings=findings,
        unsaved=unsaved,
        flag=desk.store.flags().get((who, answer.clip_id), ""),
        locked=who in desk.store.locked(),
        reasons=REASONS,
        limits=checks,
        seconds=desk.dataset.clip_samples / desk.dataset.sample_rate_hz,
        **_progress(desk, who),
    )


async def _findings(desk: Desk, who: str, clip_id: str, text: str) -> list[checks.Finding]:
    """What is wrong with a text for a clip, by itself and beside the annotator's own others.

    Texts are looked at in the order in which they came: a page's saves stay in order.
    """

    def look() -> list[checks.Finding]:
        texts = desk.store.texts(who)
        others = [other for other_id, other in texts.items() if other_id != clip_id]
        return checks.check_own(text, others, desk.detector)

    return await asyncio.get_running_loop().run_in_executor(desk.checking, look)


async def _save(
    desk: Desk, identity: Identity, clip_id: str, sent: Sent
) -> tuple[Saved, list[checks.Finding]]:
    text = checks.clean(sent.text) if sent.action == "draft" else checks.finished(sent.text)
    # An emptied draft waits in the same line: it must not overtake the save before it.
    findings = await _findings(desk, identity.annotator, clip_id, text)
    if not text.strip() and sent.action != "done":
        findings = []
    state = sent.action
    if state == "done" and any(finding.level == "error" for finding in findings):
        state = "draft"
    change = Change(
        identity.annotator,
        clip_id,
        text,
        state=state,  # type: ignore[arg-type]  # one of _ACTIONS, checked when it came
        reason=sent.reason if state == "cannot" else "",
        base=sent.base,
        writer=sent.writer,
        seconds=sent.seconds,
        plays=sent.plays,
    )
    saved = await asyncio.wrap_future(desk.store.save(change))
    return saved, [] if state == "cannot" else findings


def _of_form(form: Mapping[str, str]) -> Sent:
    base = form.get("base", "")
    return Sent(
        text=form.get("text", ""),
        action=form.get("action", "draft"),
        reason=form.get("reason", ""),
        base=int(base) if base.isascii() and base.isdecimal() and len(base) < 16 else None,
        who=form.get("who", ""),
    )


def _parse(body: bytes) -> Sent:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError("not JSON") from error
    kinds: dict[str, tuple[type, ...]] = {
        **dict.fromkeys(("text", "action", "reason", "writer", "who"), (str,)),
        **{"base": (int, type(None)), "seconds": (int, float), "plays": (int,)},
    }
    if not isinstance(value, dict) or not {"text", "action"} <= set(value) <= set(kinds):
        raise BadRequestError(f"expected an object with {', '.join(kinds)}")
    for name, one in value.items():
        if not isinstance(one, kinds[name]) or isinstance(one, bool):
            raise BadRequestError(f"{name} is not what was expected")
    return _check(Sent(**value))


def _check(sent: Sent) -> Sent:
    if sent.action not in _ACTIONS:
        raise BadRequestError(f"the action is none of {', '.join(_ACTIONS)}")
    if sent.action == "cannot" and sent.reason not in REASONS:
        raise BadRequestError("Say why you cannot tell: choose one of the reasons.")
    if len(sent.text) > checks.DRAFT_CHARACTERS:
        raise BadRequestError(f"more than {checks.DRAFT_CHARACTERS} characters")
    if len(sent.writer) > 64 or not abs(sent.seconds) <= 1e9 or abs(sent.plays) > 10**6:
        raise BadRequestError("a value is out of range")
    if sent.base is not None and abs(sent.base) > 2**53:
        raise BadRequestError("a value is out of range")
    return replace(
        sent,
        seconds=min(max(float(sent.seconds), 0.0), MOST_SECONDS),
        plays=min(max(sent.plays, 0), MOST_PLAYS),
    )


ROUTES = [
    Route("/", overview),
    Route("/enter/{secret}", welcome),
    Route("/enter", enter, methods=["POST"]),
    Route("/leave", leave, methods=["POST"]),
    Route("/guidelines", guidelines),
    Route("/clip/{number:int}", clip),
    Route("/clip/{number:int}", save, methods=["PUT"]),
    Route("/clip/{number:int}", save_form, methods=["POST"]),
    Route("/clip/{number:int}/{kind}", sound),
]

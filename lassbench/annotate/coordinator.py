"""The coordinator's pages: how far everybody is, what they wrote, flags, locks, exports."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lassbench.annotate import checks, exchange
from lassbench.annotate.access import Identity
from lassbench.annotate.annotator import send_media
from lassbench.annotate.desk import Desk, known, read_form
from lassbench.annotate.store import Answer

MAX_NOTE = 500


@known("coordinator")
async def board(_request: Request, desk: Desk, _identity: Identity) -> Response:
    """Progress by annotator and clip."""
    return await run_in_threadpool(_board, desk)


def _board(desk: Desk) -> Response:
    campaign, answers, flags = desk.store.campaign, desk.store.answers(), desk.store.flags()
    locked, consents = desk.store.locked(), desk.store.consents()
    found = exchange.findings(desk.store, desk.dataset, desk.detector)
    people = []
    for who in campaign.annotators:
        own = [answer for (name, _), answer in answers.items() if name == who]
        people.append(
            {
                "who": who,
                "done": sum(answer.state == "done" for answer in own),
                "cannot": sum(answer.state == "cannot" for answer in own),
                "drafts": sum(answer.state == "draft" and answer.text != "" for answer in own),
                "minutes": round(sum(answer.seconds for answer in own) / 60),
                "last": _time(max((answer.last_at for answer in own), default=0.0))[:10],
                "locked": who in locked,
                "consent": who in consents,
                "findings": sum(name == who for name, _ in found),
            }
        )
    rows = [
        {
            "number": number,
            "clip_id": clip_id,
            "concept": desk.dataset.clips[clip_id].concept,
            "cells": [
                _cell(answers.get((who, clip_id)), found.get((who, clip_id), []), who)
                | {"flagged": (who, clip_id) in flags}
                for who in campaign.annotators
            ],
        }
        for number, clip_id in enumerate(campaign.clips, start=1)
    ]
    return desk.page("coordinator.html", who="coordinator", people=people, rows=rows)


def _cell(answer: Answer | None, found: list[checks.Finding], who: str) -> dict[str, Any]:
    begun = answer is not None and (answer.text != "" or answer.state != "draft")
    state = answer.state if answer is not None and begun else "none"
    return {"who": who, "state": state, "findings": len(found)}


@known("coordinator")
async def clip(request: Request, desk: Desk, _identity: Identity) -> Response:
    """One clip and everything that was written for it."""
    clip_id = _clip_id(request, desk)
    if clip_id is None:
        return desk.message("No such clip", "The list has no clip of that number.", status=404)
    return await run_in_threadpool(_clip, desk, clip_id, request.path_params["number"])


def _clip(desk: Desk, clip_id: str, number: int) -> Response:
    campaign, answers, flags = desk.store.campaign, desk.store.answers(), desk.store.flags()
    found = exchange.findings(desk.store, desk.dataset, desk.detector)
    entries = [
        {
            "who": who,
            "answer": answers.get((who, clip_id), Answer(who, clip_id)),
            "findings": found.get((who, clip_id), []),
            "flag": flags.get((who, clip_id), ""),
            "drafts": [
                {"text": draft.text, "at": _time(draft.saved_at), "accepted": draft.accepted}
                for draft in desk.store.history(who, clip_id)
            ],
        }
        for who in campaign.annotators
    ]
    return desk.page(
        "coordinator_clip.html",
        who="coordinator",
        number=number,
        total=len(campaign.clips),
        clip=desk.dataset.clips[clip_id],
        entries=entries,
        max_note=MAX_NOTE,
    )


@known("coordinator")
async def flag(request: Request, desk: Desk, _identity: Identity) -> Response:
    """Ask an annotator to look at a clip again, or take that back."""
    clip_id, form = _clip_id(request, desk), await read_form(request)
    who = form.get("annotator", "")
    if clip_id is None or who not in desk.store.campaign.annotators:
        return desk.message("No such clip", "There is no such clip or annotator.", status=404)
    note = "" if form.get("action") == "clear" else checks.finished(form.get("note", ""))
    await asyncio.wrap_future(desk.store.flag(who, clip_id, note[:MAX_NOTE]))
    return RedirectResponse(f"/coordinator/clip/{request.path_params['number']}#{who}", 303)


@known("coordinator")
async def lock(request: Request, desk: Desk, _identity: Identity) -> Response:
    """Close an annotator's list, or open it again."""
    form = await read_form(request)
    who = form.get("annotator", "")
    if who not in desk.store.campaign.annotators:
        return desk.message("No such annotator", "There is nobody of that name.", status=404)
    await asyncio.wrap_future(desk.store.lock(who, form.get("action") != "open"))
    return RedirectResponse("/coordinator", 303)


@known("coordinator")
async def export(request: Request, desk: Desk, _identity: Identity) -> Response:
    """Download what was written: ``descriptions.csv`` or, with history, ``.json``."""
    kind = request.path_params["kind"]
    if kind not in {"csv", "json"}:
        return desk.message("No such export", "There are csv and json.", status=404)
    make = exchange.to_csv if kind == "csv" else exchange.to_json
    text = await run_in_threadpool(make, desk.store, desk.dataset)
    name = f"{desk.store.campaign.name}-descriptions.{kind}"
    return Response(
        text.encode(),
        media_type="text/csv; charset=utf-8" if kind == "csv" else "application/json",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


@known("coordinator")
async def media(request: Request, desk: Desk, identity: Identity) -> Response:
    """The sound or picture of a clip."""
    return await send_media(request, desk, _clip_id(request, desk), identity)


def _clip_id(request: Request, desk: Desk) -> str | None:
    number, clips = request.path_params["number"], desk.store.campaign.clips
    return clips[number - 1] if 1 <= number <= len(clips) else None


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC") if at else ""


ROUTES = [
    Route("/coordinator", board),
    Route("/coordinator/lock", lock, methods=["POST"]),
    Route("/coordinator/descriptions.{kind}", export),
    Route("/coordinator/clip/{number:int}", clip),
    Route("/coordinator/clip/{number:int}/flag", flag, methods=["POST"]),
    Route("/coordinator/clip/{number:int}/{kind}", media),
]

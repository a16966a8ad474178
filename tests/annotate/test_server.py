"""The server as anybody may address it: who sees what, what is refused, what is sent."""

from __future__ import annotations

import asyncio
import io
import json
import re
import socket
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile as sf
from starlette.testclient import TestClient

from lassbench.annotate import access, server
from lassbench.annotate.security import MAX_BODY, RateLimiter
from lassbench.annotate.store import Change, Store
from lassbench.dataset import Dataset
from lassbench.errors import LassbenchError, UsageError
from tests.annotate.conftest import Clock

BASE = "http://127.0.0.1:8017"
SAME = {"origin": BASE}
GOOD = "A dog barks twice in a hall"


@pytest.fixture
def app(store: Store, tiny_dataset: Dataset) -> Any:
    return server.application(store, tiny_dataset)


def client(app: Any) -> TestClient:
    return TestClient(app, base_url=BASE, follow_redirects=False)


def signed_in(app: Any, store: Store, who: str) -> TestClient:
    found = client(app)
    form = {"secret": access.issue(store, who), "consent": "yes"}
    assert found.post("/enter", data=form, headers=SAME).status_code == 303
    return found


@pytest.fixture
def a1(app: Any, store: Store) -> Iterator[TestClient]:
    yield signed_in(app, store, "a1")


def put(who: TestClient, /, number: int, text: str, action: str = "draft", **more: Any) -> Any:
    body = {"text": text, "action": action, **more}
    return who.put(f"/clip/{number}", json=body, headers=SAME)


# Coming in ---------------------------------------------------------------------


def test_nothing_is_seen_without_a_link(app: Any) -> None:
    stranger = client(app)
    for path in ("/", "/guidelines", "/clip/1", "/clip/1/sound.flac", "/clip/1/picture.png",
                 "/coordinator", "/coordinator/clip/1", "/coordinator/descriptions.csv",
                 "/coordinator/descriptions.json", "/coordinator/clip/1/sound.flac"):  # fmt: skip
        reply = stranger.get(path)
        assert reply.status_code == 401, path
        assert "Open your personal link" in reply.text
    assert put(stranger, 1, GOOD).status_code == 401
    assert stranger.post("/coordinator/lock", data={}, headers=SAME).status_code == 401


def test_opening_a_link_changes_nothing_and_entering_needs_consent(app: Any, store: Store) -> None:
    visitor, secret = client(app), access.issue(store, "a3")
    page = visitor.get(f"/enter/{secret}")
    assert (page.status_code, "set-cookie" in page.headers) == (200, False)
    assert store.db.read("SELECT count(*) AS n FROM sessions")[0]["n"] == 0
    refused = visitor.post("/enter", data={"secret": secret}, headers=SAME)
    assert (refused.status_code, store.consents()) == (422, {})
    entered = visitor.post("/enter", data={"secret": secret, "consent": "yes"}, headers=SAME)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert set(store.consents()) == {"a3"}
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert secret not in cookie
    assert visitor.get("/").status_code == 200


def test_over_tls_the_cookie_is_bound_to_the_host(store: Store, tiny_dataset: Dataset) -> None:
    app = server.application(store, tiny_dataset, hosts=("example.org",), secure=True)
    visitor = TestClient(app, base_url="https://example.org", follow_redirects=False)
    form = {"secret": access.issue(store, "a1"), "consent": "yes"}
    reply = visitor.post("/enter", data=form, headers={"origin": "https://example.org"})
    assert re.match(r"__Host-lassbench-annotator=.*; Path=/; .*Secure", reply.headers["set-cookie"])
    assert "max-age" in reply.headers["strict-transport-security"]
    assert visitor.get("/").status_code == 200


def test_revoked_and_expired_links_end_the_session(app: Any, store: Store, clock: Clock) -> None:
    one, two = signed_in(app, store, "a1"), signed_in(app, store, "a2")
    access.revoke(store, "a1")
    assert one.get("/clip/1").status_code == 401
    assert put(one, 1, GOOD).status_code == 401
    assert two.get("/clip/1").status_code == 200
    clock.now += 31 * access.DAY_S
    assert two.get("/clip/1").status_code == 401


def test_guessing_links_is_slowed_down(app: Any, store: Store) -> None:
    visitor = client(app)
    codes = [visitor.get(f"/enter/{'x' * 40}{n}").status_code for n in range(25)]
    assert codes[0] == 404
    assert codes[-1] == 429
    slowed = visitor.post("/enter", data={"secret": "x" * 43, "consent": "yes"}, headers=SAME)
    assert (slowed.status_code, int(slowed.headers["retry-after"]) >= 1) == (429, True)
    # Everybody behind a proxy comes from one address: a right link still enters.
    assert client(app).get(f"/enter/{access.issue(store, 'a1')}").status_code == 200
    assert signed_in(app, store, "a2").get("/").status_code == 200


def test_another_persons_link_shows_nothing_of_theirs(app: Any, store: Store) -> None:
    one = signed_in(app, store, "a1")
    page = one.get(f"/enter/{access.issue(store, 'a2')}")
    assert page.status_code == 403
    assert "signed in as a1" in page.text
    assert "a2" not in page.text
    assert re.search(r"action=\"/leave\">\s*<button", page.text)
    assert "/leave" not in client(app).get("/").text


def test_leaving_ends_the_session_on_the_server_too(app: Any, store: Store, a1: TestClient) -> None:
    cookie = dict(a1.cookies)
    assert a1.post("/leave", headers=SAME).status_code == 200
    thief = client(app)
    thief.cookies.update(cookie)
    assert thief.get("/clip/1").status_code == 401


# What is refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site", "origin": BASE},
        {"sec-fetch-site": "same-site", "origin": BASE},
        {"sec-fetch-site": "none"},
        {"origin": "http://[::1"},
    ],
)
def test_other_sites_cannot_write(a1: TestClient, store: Store, headers: dict[str, str]) -> None:
    body = {"text": GOOD, "action": "done"}
    assert a1.put("/clip/1", json=body, headers=headers).status_code == 403
    assert a1.post("/leave", headers=headers).status_code == 403
    assert store.answers() == {}


def test_a_rebound_name_is_refused(app: Any) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example:8017", "", "[bad"):
        assert client(app).get("/", headers={"host": host}).status_code == 421
    assert client(app).get("/", headers={"host": "localhost:8017"}).status_code == 401


def test_large_bodies_are_refused_however_they_come(a1: TestClient) -> None:
    assert put(a1, 1, "x" * MAX_BODY).status_code == 413

    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 1024

    assert a1.put("/clip/1", content=pieces(), headers=SAME).status_code == 413
    assert put(a1, 1, "x" * 4001).status_code == 422
    assert a1.get("/enter/" + "x" * 3000).status_code == 414


@pytest.mark.parametrize(
    ("length", "status"),
    [("0" * 5 + "1", 404), ("9" * 5000, 413), ("0" * 5000, 413), ("-1", 413), ("x", 413)],
)
def test_a_length_that_is_none_is_refused(app: Any, length: str, status: int) -> None:
    headers = {**SAME, "content-length": length}
    assert client(app).post("/enter", content=b"a", headers=headers).status_code == status


def test_forms_with_too_many_fields_are_refused(app: Any, a1: TestClient, store: Store) -> None:
    many = "&".join(f"f{n}=x" for n in range(60))
    for who, path in ((client(app), "/enter"), (a1, "/clip/1")):
        reply = who.post(path, content=f"text=A+dog&{many}", headers=SAME)
        assert (reply.status_code, "so many fields" in reply.text) == (422, True)
    form = {"text": GOOD, "action": "done", "base": "9" * 5000}
    assert a1.post("/clip/1", data=form, headers=SAME).status_code == 303
    assert len(store.answers()) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"[" * 20000, b"\xff\xfe",
        b'{"text": "x"}', b'{"action": "done"}', b'{"text": 1, "action": "draft"}',
        b'{"text": "x", "action": "publish"}', b'{"text": "x", "action": "draft", "whose": "a2"}',
        b'{"text": "x", "action": "draft", "who": ["a1"]}',
        b'{"text": "x", "action": "draft", "seconds": NaN}',
        b'{"text": "x", "action": "draft", "seconds": 1e999}',
        b'{"text": "x", "action": "draft", "seconds": 1' + b"0" * 400 + b"}",
        b'{"text": "x", "action": "draft", "plays": 1' + b"0" * 400 + b"}",
        b'{"text": "x", "action": "draft", "base": 1' + b"0" * 30 + b"}",
        b'{"text": "x", "action": "draft", "base": true}',
        b'{"text": "x", "action": "cannot"}',
        b'{"text": "x", "action": "cannot", "reason": "lazy"}',
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(a1: TestClient, store: Store, body: bytes) -> None:
    assert a1.put("/clip/1", content=body, headers=SAME).status_code == 422
    assert store.answers() == {}


def test_clips_that_do_not_exist(a1: TestClient) -> None:
    missing = ("/clip/0", "/clip/21", "/clip/999999999999", "/clip/0/sound.flac", "/clip/1/other")
    for path in (*missing, "/nothing", "/static/../server.py", "/static/%2e%2e/store.py"):
        assert a1.get(path).status_code == 404, path
    assert put(a1, 21, GOOD).status_code == 404
    assert a1.delete("/clip/1", headers=SAME).status_code == 404


def test_saving_too_fast_has_to_wait(a1: TestClient) -> None:
    replies = [put(a1, 1, f"text {n}") for n in range(75)]
    assert replies[0].status_code == 200
    assert replies[-1].status_code == 429
    assert int(replies[-1].headers["retry-after"]) >= 1


def test_the_plain_form_has_to_wait_too_and_keeps_the_words(a1: TestClient, store: Store) -> None:
    for _ in range(75):
        put(a1, 1, "fast")
    form = {"text": "Words <b>not</b> to lose", "action": "cannot", "reason": "too noisy",
            "base": "1"}  # fmt: skip
    reply = a1.post("/clip/2", data=form, headers=SAME)
    assert (reply.status_code, int(reply.headers["retry-after"]) >= 1) == (429, True)
    assert ">\nWords &lt;b&gt;not&lt;/b&gt; to lose</textarea>" in reply.text
    assert re.search(r"Not saved: too many saves at once\. Wait \d+ seconds", reply.text)
    assert re.search(r"value=\"too noisy\" checked", reply.text)
    assert 'name="base" value="1"' in reply.text
    assert {clip_id for _, clip_id in store.answers()} == {store.campaign.order("a1")[0]}


def test_a_page_adds_no_more_than_a_page_can(a1: TestClient, store: Store) -> None:
    clip_id = store.campaign.order("a1")[0]
    put(a1, 1, GOOD, seconds=1e8, plays=10**6)
    put(a1, 1, GOOD, seconds=-50, plays=-50)
    answer = store.answer("a1", clip_id)
    assert (answer.seconds, answer.plays) == (600.0, 100)


def test_the_rate_limiter_counts_by_key_and_forgets() -> None:
    now = [0.0]
    limiter = RateLimiter(rate=2.0, burst=3.0, most=2, clock=lambda: now[0])
    assert [limiter.wait("a") for _ in range(4)] == [0, 0, 0, 1]
    assert limiter.wait("b") == 0
    now[0] = 0.5
    assert [limiter.wait("a"), limiter.wait("a")] == [0, 1]
    limiter.wait("c")
    assert len(limiter._buckets) == 2


def test_every_reply_carries_the_policy(app: Any, a1: TestClient) -> None:
    replies = [a1.get(path) for path in ("/", "/clip/1", "/clip/1/sound.flac", "/nothing",
                                         "/static/annotate.js", "/robots.txt")]  # fmt: skip
    replies.append(client(app).put("/clip/1"))
    for reply in replies:
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["x-frame-options"] == "DENY"
    assert replies[0].headers["cache-control"] == "no-store"


def test_pages_hold_no_inline_script_or_style_and_no_outside_address(a1: TestClient) -> None:
    for path in ("/", "/clip/1", "/guidelines"):
        html = a1.get(path).text
        assert not re.search(r"<script(?![^>]*src=\"/static/)|<style|\sstyle=|\son\w+=", html)
        assert not re.search(r"(?:src|href|action)=\"(?!/|#)", html)
        assert "http://" not in html.replace(BASE, "")
        assert "https://" not in html


# What an annotator sees ------------------------------------------------------------


def test_an_annotator_sees_no_caption_tag_id_or_other_words(
    app: Any, a1: TestClient, store: Store, tiny_dataset: Dataset
) -> None:
    secret_words = "quokkas yodel in the attic"
    for clip_id in store.campaign.clips:
        store.save(Change("a2", clip_id, secret_words, state="done")).result()
    for number, clip_id in enumerate(store.campaign.order("a1"), start=1):
        clip = tiny_dataset.clips[clip_id]
        page = a1.get(f"/clip/{number}")
        seen = page.text + str(page.headers)
        for secret in (clip_id, secret_words, *clip.captions):
            assert secret not in seen
        media = a1.get(f"/clip/{number}/sound.flac")
        assert clip_id not in str(media.headers)
    seen = a1.get("/").text
    assert "quokkas" not in seen
    assert not any(clip.concept in seen for clip in tiny_dataset.split("test"))


def test_the_sound_is_the_clip_of_ones_own_order(
    a1: TestClient, store: Store, tiny_dataset: Dataset
) -> None:
    x, rate = sf.read(io.BytesIO(a1.get("/clip/4/sound.flac").content))
    clip = tiny_dataset.samples(store.campaign.order("a1")[3])
    assert rate == tiny_dataset.sample_rate_hz
    middle = slice(200, -200)
    assert np.corrcoef(x[middle], clip[middle])[0, 1] > 0.999


@pytest.mark.parametrize(
    ("asked", "status", "cut"),
    [
        ("bytes=0-99", 206, slice(0, 100)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-50", 206, slice(-50, None)),
        ("bytes=10-10", 206, slice(10, 11)),
        ("bytes=0-999999999", 206, slice(0, None)),
        ("bytes=999999999-", 416, None),
        ("bytes=5-3", 416, None),
        ("bytes=0-1,5-6", 200, slice(None)),
        ("items=0-5", 200, slice(None)),
        ("bytes=-", 200, slice(None)),
    ],
)
def test_parts_of_a_sound(a1: TestClient, asked: str, status: int, cut: slice | None) -> None:
    whole = a1.get("/clip/1/sound.flac").content
    part = a1.get("/clip/1/sound.flac", headers={"range": asked})
    assert part.status_code == status
    assert part.content == (b"" if cut is None else whole[cut])
    if status == 206:
        first, last, size = map(
            int,
            re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", part.headers["content-range"]).groups(),  # type: ignore[union-attr]
        )
        assert (last - first + 1, size) == (len(part.content), len(whole))


def test_drafts_findings_and_going_on(a1: TestClient, store: Store) -> None:
    reply = put(a1, 1, "Dog").json()
    assert (reply["revision"], reply["state"]) == (1, "draft")
    assert [one["level"] for one in reply["findings"]] == ["error"]
    reply = put(a1, 1, "call 0170 1234567 for dogs", "done").json()
    assert reply["state"] == "draft"
    assert "next" not in reply
    reply = put(a1, 1, f"  {GOOD}\n", "done").json()
    assert (reply["state"], reply["next"]) == ("done", "/clip/2")
    answer = store.answer("a1", store.campaign.order("a1")[0])
    assert (answer.text, answer.state, answer.source) == (GOOD, "done", "annotator")
    put(a1, 3, GOOD + " again", "done")
    reply = put(a1, 2, "", "cannot", reason="too quiet").json()
    assert (reply["state"], reply["findings"], reply["next"]) == ("cannot", [], "/clip/4")


def test_the_same_words_for_many_clips_are_told_while_writing(
    app: Any, a1: TestClient, store: Store
) -> None:
    for clip_id in store.campaign.clips:  # somebody else's words do not count
        store.save(Change("a2", clip_id, GOOD, state="done")).result()
    assert [put(a1, n, GOOD, "done").json()["findings"] for n in (1, 2)] == [[], []]
    assert put(a1, 2, GOOD + " again", "done").json()["findings"] == []
    assert put(a1, 3, f"{GOOD.upper()}!").json()["findings"][0]["level"] == "warning"
    assert not any("for 3" in one["message"] for one in put(a1, 3, GOOD).json()["findings"])
    reply = put(a1, 4, f"{GOOD}.", "done").json()
    told = "You wrote this for 3 sounds. Say what is heard in each."
    assert reply["findings"] == [{"level": "warning", "message": told}]
    assert reply["state"] == "done"  # a person decides
    for number in (1, 3, 4):
        assert told in a1.get(f"/clip/{number}").text
    assert told not in a1.get("/clip/2").text
    assert told not in signed_in(app, store, "a2").get("/clip/1").text


def test_the_last_clip_leads_back_to_the_list(a1: TestClient) -> None:
    for number in range(1, 21):
        reply = put(a1, number, f"Sound number {number} is a hum", "done").json()
    assert reply["next"] == "/"
    assert "All 20 sounds are finished" in a1.get("/").text


def test_markup_and_hostile_text_come_back_as_text(a1: TestClient, store: Store) -> None:
    text = "</textarea><script>alert(1)</script>\"'{{ 7*7 }} \u202ekrab"
    put(a1, 1, text)
    for path in ("/clip/1", "/"):
        html = a1.get(path).text
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(1)" in html
        assert "{{ 7*7 }}" in html
        assert "\u202e" not in html
    body = b'{"text": "lone \\ud800 surrogate", "action": "draft"}'
    assert a1.put("/clip/2", content=body, headers=SAME).status_code == 200
    assert store.answer("a1", store.campaign.order("a1")[1]).text == "lone  surrogate"


def test_another_device_is_told_of_the_conflict(app: Any, store: Store, a1: TestClient) -> None:
    put(a1, 1, "From the first device", base=0, writer="first")
    reply = put(a1, 1, "From the second device", base=0, writer="second")
    assert reply.status_code == 409
    assert (reply.json()["text"], reply.json()["revision"]) == ("From the first device", 1)
    words = {draft.text for draft in store.history("a1")}
    assert words == {"From the first device", "From the second device"}


def test_the_page_works_without_a_script(a1: TestClient, store: Store) -> None:
    form = {"text": GOOD, "action": "done", "base": "0", "reason": ""}
    reply = a1.post("/clip/1", data=form, headers=SAME)
    assert (reply.status_code, reply.headers["location"]) == (303, "/clip/2")
    reply = a1.post("/clip/2", data={"text": "Dog", "action": "done"}, headers=SAME)
    assert reply.status_code == 422
    assert "Write at least 3 words" in reply.text
    assert ">\nDog</textarea>" in reply.text
    reply = a1.post("/clip/2", data={"text": "", "action": "cannot"}, headers=SAME)
    assert "choose one of the reasons" in reply.text
    assert '<details class="cannot" open>' in reply.text
    reply = a1.post("/clip/2", data={"text": "x" * 4001, "action": "done"}, headers=SAME)
    assert (reply.status_code, "x" * 4001 in reply.text) == (422, True)
    store.lock("a1").result()
    reply = a1.post("/clip/3", data=form, headers=SAME)
    assert (reply.status_code, GOOD in reply.text) == (423, True)


def test_one_annotator_does_not_touch_anothers(app: Any, store: Store, a1: TestClient) -> None:
    two = signed_in(app, store, "a2")
    for number in range(1, 21):
        put(a1, number, f"Written by the first, number {number}", "done")
    assert {who for who, _ in store.answers()} == {"a1"}
    assert "Written by the first" not in "".join(two.get(f"/clip/{n}").text for n in range(1, 21))
    assert two.get("/coordinator").status_code == 401
    assert two.get("/coordinator/descriptions.json").status_code == 401
    lock = two.post("/coordinator/lock", data={"annotator": "a1"}, headers=SAME)
    assert (lock.status_code, store.locked()) == (401, set())


def test_a_failing_disk_is_told_so_that_the_page_tries_again(
    a1: TestClient, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_change: Change) -> Any:
        raise LassbenchError("cannot be written: disk full")

    monkeypatch.setattr(app.state.desk.store, "save", full)
    assert put(a1, 1, GOOD).status_code == 503
    reply = a1.post("/clip/1", data={"text": GOOD, "action": "done"}, headers=SAME)
    assert (reply.status_code, GOOD in reply.text) == (503, True)


# An expired session, and somebody else's ------------------------------------------------


class Form(HTMLParser):
    """What a browser without a script would send of the form ``which`` of a page."""

    def __init__(self, page: str, which: str) -> None:
        super().__init__()
        self.which, self.inside, self.area = which, False, ""
        self.action, self.fields = "", dict[str, str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.inside = found.get("id") == self.which
            self.action = found["action"] if self.inside else self.action
        elif self.inside and tag == "textarea":
            self.area = found["name"]
            self.fields[self.area] = ""
        elif self.inside and tag == "input" and ("checked" in found or found["type"] == "hidden"):
            self.fields[found["name"]] = found["value"]

    def handle_data(self, data: str) -> None:
        if self.area:
            self.fields[self.area] += data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "form"
        self.area = "" if tag == "textarea" else self.area


HOSTILE = 'A dog & a </textarea><script>alert(1)</script> "bell" ring'


def test_an_expired_session_gives_the_words_back_to_be_sent_again(
    a1: TestClient, app: Any, store: Store, clock: Clock
) -> None:
    form = Form(a1.get("/clip/7").text, "describe").fields
    clock.now += 31 * access.DAY_S
    reply = a1.post("/clip/7", data={**form, "text": HOSTILE, "action": "done"}, headers=SAME)
    assert reply.status_code == 401
    assert "<script>alert" not in reply.text
    assert re.search(r"<textarea[^>]* readonly>\nA dog &amp; a &lt;/textarea&gt;", reply.text)
    assert store.answers() == {}  # nobody is known to have sent it
    again = Form(reply.text, "again")
    assert again.action == "/clip/7"
    assert again.fields == {**form, "text": HOSTILE, "action": "done"}
    # Sent too early it comes back as it was.
    early = a1.post(again.action, data=again.fields, headers=SAME)
    assert (early.status_code, Form(early.text, "again").fields) == (401, again.fields)
    a1.post("/enter", data={"secret": access.issue(store, "a1")}, headers=SAME)
    again.fields["text"] = GOOD  # markup would stay a draft
    reply = a1.post(again.action, data=again.fields, headers=SAME)
    assert (reply.status_code, reply.headers["location"]) == (303, "/clip/8")
    answer = store.answer("a1", store.campaign.order("a1")[6])
    assert (answer.text, answer.state) == (GOOD, "done")


def test_a_renewed_link_loses_no_choice_either(a1: TestClient, store: Store) -> None:
    form = Form(a1.get("/clip/1").text, "describe").fields
    access.revoke(store, "a1")
    choice = {**form, "text": "", "action": "cannot", "reason": "too noisy"}
    reply = a1.post("/clip/1", data=choice, headers=SAME)
    assert Form(reply.text, "again").fields == choice
    # A page that sends nothing that anybody typed is told to open the link.
    reply = a1.post("/clip/1", data={**form, "text": " "}, headers=SAME)
    assert (reply.status_code, "Open your personal link" in reply.text) == (401, True)


def test_nothing_is_given_back_to_another_site(app: Any) -> None:
    stranger = client(app)
    for headers in ({}, {"origin": "http://evil.example"}):
        reply = stranger.post("/clip/1", data={"text": HOSTILE}, headers=headers)
        assert (reply.status_code, "dog" in reply.text) == (403, False)
    reply = stranger.post("/clip/1", data={"text": "x" * MAX_BODY}, headers=SAME)
    assert (reply.status_code, "xxx" in reply.text) == (413, False)
    reply = stranger.post("/clip/1", data={"text": GOOD, "extra": "<i>"}, headers=SAME)
    assert Form(reply.text, "again").fields == {"text": GOOD}


def test_another_persons_session_saves_no_words_of_an_open_page(
    a1: TestClient, store: Store, clock: Clock
) -> None:
    page = a1.get("/clip/7").text
    assert 'data-who="a1"' in page  # the script sends this
    clock.now += 31 * access.DAY_S
    # In the same browser, where the first page is still open:
    enter = {"secret": access.issue(store, "a2"), "consent": "yes"}
    assert a1.post("/enter", data=enter, headers=SAME).status_code == 303
    form = {**Form(page, "describe").fields, "text": GOOD, "action": "done"}
    reply = a1.post("/clip/7", data=form, headers=SAME)
    assert reply.status_code == 403
    assert "somebody else" in reply.text
    assert Form(reply.text, "again").fields == form
    assert put(a1, 7, GOOD, who="a1").status_code == 403
    assert store.answers() == {}
    assert put(a1, 7, GOOD, who="a2").status_code == 200
    assert a1.post("/leave", headers=SAME).status_code == 200
    a1.post("/enter", data={"secret": access.issue(store, "a1")}, headers=SAME)
    assert a1.post("/clip/7", data=form, headers=SAME).status_code == 303
    assert store.answer("a1", store.campaign.order("a1")[6]).text == GOOD


def test_the_coordinators_note_is_given_back_too(app: Any, store: Store) -> None:
    boss = signed_in(app, store, "coordinator")
    access.revoke(store, "coordinator")
    note = {"annotator": "a1", "note": "Which <b>animal</b>?", "action": "flag"}
    reply = boss.post("/coordinator/clip/1/flag", data=note, headers=SAME)
    again = Form(reply.text, "again")
    assert (again.action, again.fields) == ("/coordinator/clip/1/flag", note)
    boss.post("/enter", data={"secret": access.issue(store, "coordinator")}, headers=SAME)
    assert boss.post(again.action, data=again.fields, headers=SAME).status_code == 303
    assert store.flags() == {("a1", store.campaign.clips[0]): "Which <b>animal</b>?"}


class Slow:
    """A detector that answers when it is told to."""

    ready = True

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    def other(self, _text: str) -> str:
        self.asked.set()
        assert self.go.wait(60), "nobody else was answered meanwhile"
        return ""


def test_who_waits_for_a_language_keeps_nobody_waiting(
    app: Any, a1: TestClient, store: Store
) -> None:
    slow = app.state.desk.detector = Slow()
    transport = httpx.ASGITransport(app)
    cookies = dict(a1.cookies)

    async def go() -> list[int]:
        async with httpx.AsyncClient(transport=transport, base_url=BASE, cookies=cookies) as one:

            async def send(text: str) -> int:
                body = {"text": text, "action": "draft", "writer": "w", "base": 0}
                return (await one.put("/clip/1", json=body, headers=SAME)).status_code

            first = asyncio.create_task(send(GOOD))
            while not slow.asked.is_set():
                await asyncio.sleep(0)
            assert (await one.get("/")).status_code == 200
            # The page was emptied and left meanwhile: its last word is the last.
            last = asyncio.create_task(send(""))
            assert (await one.get("/guidelines")).status_code == 200
            slow.go.set()
            return [await first, await last]

    assert asyncio.run(go()) == [200, 200]
    assert store.answer("a1", store.campaign.order("a1")[0]).text == ""
    assert [draft.text for draft in store.history("a1")] == [GOOD, ""]


# The coordinator ---------------------------------------------------------------------


@pytest.fixture
def boss(app: Any, store: Store) -> TestClient:
    return signed_in(app, store, "coordinator")


def test_the_coordinator_sees_flags_locks_and_exports(
    app: Any, store: Store, a1: TestClient, boss: TestClient, tiny_dataset: Dataset
) -> None:
    put(a1, 1, GOOD, "done", seconds=61, plays=3)
    put(a1, 2, "Dog")
    clip_id = store.campaign.order("a1")[0]
    number = store.campaign.clips.index(clip_id) + 1
    board = boss.get("/coordinator").text
    assert re.search(r"<th scope=\"row\">a1</th><td class=\"num\">1</td>", board)
    page = boss.get(f"/coordinator/clip/{number}").text
    assert GOOD in page
    assert clip_id in page
    assert boss.get(f"/coordinator/clip/{number}/sound.flac").status_code == 200
    note = {"annotator": "a1", "note": "Which <b>animal</b>?", "action": "flag"}
    assert boss.post(f"/coordinator/clip/{number}/flag", data=note, headers=SAME).status_code == 303
    assert "Which &lt;b&gt;animal&lt;/b&gt;?" in a1.get("/clip/1").text
    boss.post(f"/coordinator/clip/{number}/flag", data={**note, "action": "clear"}, headers=SAME)
    assert "Which" not in a1.get("/clip/1").text
    boss.post("/coordinator/lock", data={"annotator": "a1", "action": "lock"}, headers=SAME)
    assert put(a1, 1, GOOD + " again").status_code == 423
    boss.post("/coordinator/lock", data={"annotator": "a1", "action": "open"}, headers=SAME)
    assert put(a1, 1, GOOD + " again").status_code == 200
    exported = json.loads(boss.get("/coordinator/descriptions.json").content)
    assert {one["description"] for one in exported["history"]} == {GOOD, "Dog", GOOD + " again"}
    reply = boss.get("/coordinator/descriptions.csv")
    assert "attachment" in reply.headers["content-disposition"]
    assert reply.text.splitlines()[0].startswith("annotator,clip_id,")


def test_the_coordinators_session_writes_for_nobody(boss: TestClient, store: Store) -> None:
    assert put(boss, 1, GOOD).status_code == 401
    for path in ("/coordinator/clip/0", "/coordinator/clip/21", "/coordinator/descriptions.exe"):
        assert boss.get(path).status_code == 404
    bad = {"annotator": "a77", "action": "lock"}
    assert boss.post("/coordinator/lock", data=bad, headers=SAME).status_code == 404
    assert store.locked() == set()


# Where it listens --------------------------------------------------------------------


def test_other_machines_only_when_told() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.5.5.5"):
        assert server.check_place(host, allow_network=False, public_url="") == ""
    for host in ("0.0.0.0", "::", "192.168.1.7", "example.org"):
        with pytest.raises(UsageError, match="other machines"):
            server.check_place(host, allow_network=False, public_url="")
    for host in ("192.168.1.7", "example.org"):
        assert server.check_place(host, allow_network=True, public_url="") == ""
    for host in ("0.0.0.0", "::", "0", "0:0::0", ""):
        with pytest.raises(UsageError, match=r"(?s)wildcard.*--public-url"):
            server.check_place(host, allow_network=True, public_url="")
        url = "https://a.example"
        assert server.check_place(host, allow_network=True, public_url=url) == url
    found = server.check_place("::1", allow_network=False, public_url="https://a.example:44/")
    assert found == "https://a.example:44"
    for url in ("a.example", "ftp://a.example", "https://a.example/path", "https://"):
        with pytest.raises(UsageError, match="public-url"):
            server.check_place("127.0.0.1", allow_network=False, public_url=url)


def test_a_taken_port_is_told() -> None:
    with server.bind("127.0.0.1", 0) as taken, pytest.raises(LassbenchError, match="cannot listen"):
        server.bind("127.0.0.1", taken.getsockname()[1])


def test_a_reply_in_two_parts_goes_out_at_once() -> None:
    with (
        server.bind("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0

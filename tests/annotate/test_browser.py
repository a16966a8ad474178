"""Five people in five browsers, against a server in a process of its own."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lassbench.annotate import access
from lassbench.annotate.store import Store
from lassbench.dataset import Dataset
from tests.annotate.served import Served

pytestmark = pytest.mark.browser

PEOPLE = ("a1", "a2", "a3", "a4", "a5")
SOUNDS = 20


@pytest.fixture
def served(tiny_dataset: Dataset, tmp_path: Path) -> Iterator[Served]:
    found = Served(tiny_dataset.path, tmp_path / "store.sqlite").start()
    yield found
    found.stop()


class Visitor:
    """A browser of one person, with everything that it complained of or asked for."""

    def __init__(self, browser: Any, served: Served, who: str, **options: Any) -> None:
        self.served, self.who = served, who
        self.context = browser.new_context(**options)
        # A loaded machine is slow, not broken.
        self.context.set_default_timeout(120_000)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def enter(self) -> Visitor:
        self.page.goto(self.served.links[self.who])
        box = self.page.locator("#consent")
        if box.count():
            box.focus()
            self.page.keyboard.press("Space")
        self.page.locator("button.main").focus()
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector("h1")
        return self

    def state(self, words: str) -> None:
        self.page.locator("#state", has_text=words).wait_for(timeout=120_000)

    def until(self, true: Callable[[], bool]) -> None:
        for _ in range(4000):
            if true():
                return
            self.page.wait_for_timeout(25)
        raise AssertionError("it did not come about")

    def close(self, *, may_fail: bool = False) -> None:
        self.context.close()
        errors = [one for one in self.said if not (may_fail and "Failed to load resource" in one)]
        assert errors == []
        assert all(url.startswith((self.served.base, "blob:")) for url in self.asked)


def sentence(who: str, number: int) -> str:
    return f"Person {who} hears a sound like number {number}"


def by_keyboard(visitor: Visitor, number: int, *, first: bool) -> None:
    """One sound from the list or the sound before to the next, without a mouse."""
    page = visitor.page
    page.wait_for_url(re.compile(rf"/clip/{number}$"))
    if first:
        page.keyboard.press("Space")
        # What stays true: on a loaded machine a second of sound ends between two looks.
        visitor.until(lambda: page.locator("#sound").evaluate("one => one.played.length > 0"))
    page.keyboard.press("Enter")
    page.keyboard.insert_text(sentence(visitor.who, number))
    page.keyboard.press("Control+Enter")


def stored(path: Path) -> dict[tuple[str, str], tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT annotator, clip_id, text, state FROM answers").fetchall()
    return {(who, clip_id): (text, state) for who, clip_id, text, state in rows}


def test_five_at_once_finish_by_keyboard_and_no_word_is_lost(chromium: Any, served: Served) -> None:
    visitors = [Visitor(chromium, served, who).enter() for who in PEOPLE]
    for visitor in visitors:
        visitor.page.locator("#go").focus()
        visitor.page.keyboard.press("Enter")
    one, two, three = visitors[:3]
    for number in range(1, SOUNDS + 1):
        if number == 5:
            loses_the_connection(one, number)
        if number == 8:
            pastes_markup(three)
        if number == 10:
            opens_anothers_link(two)
        if number == 12:
            outlives_the_server(visitors, served, number)
        for visitor in visitors:
            by_keyboard(visitor, number, first=number == 1)
    for visitor in visitors:
        visitor.page.locator(".note.good", has_text="All 20 sounds are finished").wait_for()
        visitor.close(may_fail=True)
    store = Store(served.store)
    expected = {
        (who, clip_id): (sentence(who, number), "done")
        for who in PEOPLE
        for number, clip_id in enumerate(store.campaign.order(who), start=1)
    }
    drafts = {draft.text for draft in store.history()}
    plays = {key: answer.plays for key, answer in store.answers().items()}
    store.close()
    assert stored(served.store) == expected
    assert {"A bell that is cut", "A draft that the server never", "<img src=x> paste"} <= {
        draft[: len(one)]
        for draft in drafts
        for one in ("A bell that is cut", "A draft that the server never", "<img src=x> paste")
    }
    assert sum(plays.values()) == len(PEOPLE)


def loses_the_connection(visitor: Visitor, number: int) -> None:
    """In mid-sentence; the words wait in the page and come through later, typed on meanwhile."""
    page = visitor.page
    page.wait_for_url(re.compile(rf"/clip/{number}$"))
    page.keyboard.press("Enter")
    page.keyboard.type("A bell ")
    visitor.state("Saved as a draft")
    visitor.context.set_offline(True)
    page.keyboard.type("that is cut")
    visitor.state("kept in this browser")
    assert all(text != "A bell that is cut" for text, _ in stored(visitor.served.store).values())
    visitor.context.set_offline(False)
    visitor.state("Saved as a draft")
    assert ("A bell that is cut", "draft") in stored(visitor.served.store).values()
    page.fill("#text", "")
    page.keyboard.press("Escape")


def pastes_markup(visitor: Visitor) -> None:
    page = visitor.page
    page.wait_for_url(re.compile(r"/clip/8$"))
    page.fill("#text", "<img src=x> paste <script>document.title='owned'</script>")
    page.locator(".finding.error", has_text="markup").wait_for()
    page.keyboard.press("Escape")
    visitor.state("Saved as a draft")
    page.reload()
    assert page.input_value("#text").startswith("<img src=x> paste")
    assert "owned" not in page.title()
    assert page.locator("main img").count() == 1
    page.fill("#text", "")
    visitor.state("Saved as a draft")
    page.keyboard.press("Escape")


def opens_anothers_link(visitor: Visitor) -> None:
    page = visitor.page
    page.wait_for_url(re.compile(r"/clip/10$"))
    page.goto(visitor.served.links["a1"])
    page.locator("h1", has_text="somebody else's").wait_for()
    assert "Person a1" not in page.content()
    page.goto(f"{visitor.served.base}/coordinator")
    page.locator("h1", has_text="Open your personal link").wait_for()
    page.goto(f"{visitor.served.base}/clip/10")
    assert "Person a1" not in page.content()


def outlives_the_server(visitors: list[Visitor], served: Served, number: int) -> None:
    """Killed while all five write; the words come through when it is back."""
    for visitor in visitors:
        visitor.page.wait_for_url(re.compile(rf"/clip/{number}$"))
    served.kill()
    for visitor in visitors:
        visitor.page.keyboard.press("Enter")
        visitor.page.keyboard.type(f"A draft that the server never {visitor.who}")
    for visitor in visitors:
        visitor.state("kept in this browser")
    # One of them closes the page and comes back to it later.
    last = visitors[-1]
    last.page.goto("about:blank")
    served.start()
    last.page.goto(f"{served.base}/clip/{number}")
    for visitor in visitors:
        visitor.state("Saved as a draft")
        draft = f"A draft that the server never {visitor.who}"
        assert visitor.page.input_value("#text") == draft
        assert (draft, "draft") in stored(served.store).values()
        visitor.page.fill("#text", "")
        visitor.page.keyboard.press("Escape")


def test_player_keys_and_other_device(chromium: Any, served: Served) -> None:
    one = Visitor(chromium, served, "a1").enter()
    page = one.page
    page.goto(f"{served.base}/clip/2")
    assert page.locator("#sound").evaluate("one => one.volume") == 0.5
    page.keyboard.press("l")
    assert page.locator("#sound").evaluate("one => one.loop") is True
    page.keyboard.press("Space")
    one.until(lambda: page.locator("#sound").evaluate("one => one.currentTime") > 0)
    page.locator("#play", has_text="Stop").wait_for()
    page.keyboard.press("Enter")
    page.keyboard.type("space l n b")
    assert page.input_value("#text") == "space l n b"
    page.keyboard.press("Control+Space")
    one.until(lambda: page.locator("#sound").evaluate("one => one.paused"))
    page.keyboard.press("Escape")
    one.state("Saved as a draft")
    page.keyboard.press("n")
    page.wait_for_url("**/clip/3")
    page.keyboard.press("b")
    page.wait_for_url("**/clip/2")
    assert page.input_value("#text") == "space l n b"
    assert page.locator("#loop").is_checked()

    two = Visitor(chromium, served, "a1").enter()
    two.page.goto(f"{served.base}/clip/2")
    two.page.fill("#text", "Written on the telephone")
    two.state("Saved as a draft")
    page.fill("#text", "Written on the computer")
    page.locator("#conflict").wait_for()
    assert page.locator("#theirs").inner_text() == "Written on the telephone"
    page.locator("#keep-mine").click()
    one.state("Saved as a draft")
    two.page.fill("#text", "Written on the telephone once more")
    two.page.locator("#take-theirs").click()
    assert two.page.input_value("#text") == "Written on the computer"
    assert {"Written on the computer"} == {text for text, _ in stored(served.store).values()}
    one.close(may_fail=True)
    two.close(may_fail=True)


def test_cannot_tell_locked_and_leaving(chromium: Any, served: Served) -> None:
    one, boss = Visitor(chromium, served, "a1").enter(), Visitor(chromium, served, "coordinator")
    page = one.page
    page.goto(f"{served.base}/clip/1")
    page.locator("details.cannot summary").click()
    page.locator("#cannot").click()
    page.locator(".finding.error", has_text="Say why").wait_for()
    page.locator("label", has_text="too quiet").click()
    page.locator("#cannot").click()
    page.wait_for_url("**/clip/2")
    assert ("", "cannot") in stored(served.store).values()
    # The plain form, sent while the script did not load, comes back with its words,
    # and the script, once it is there, saves them.
    script = "**/static/annotate.js"
    page.route(script, lambda route: route.abort())
    page.goto(f"{served.base}/clip/3")
    page.fill("#text", "Words from the plain form")
    page.locator("details.cannot summary").click()
    page.unroute(script)
    page.locator("#cannot").click()
    one.state("Saved as a draft")
    assert ("Words from the plain form", "draft") in stored(served.store).values()
    boss.enter()
    boss.page.locator("tr", has_text="a1").first.get_by_role("button").click()
    boss.page.locator("tr", has_text="locked").wait_for()
    page.fill("#text", "Too late for this one")
    one.state("not saved")
    page.reload()
    assert page.locator("#text").get_attribute("readonly") is not None
    # What could not be saved is still in this browser: leaving asks first.
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    page.locator("#leave button").click()
    one.until(lambda: bool(asked))
    assert "not sent yet" in asked[0]
    page.locator("h1", has_text="You have left").wait_for()
    one.close(may_fail=True)
    boss.close()


def renew(served: Served, who: str) -> str:
    """Revoke a link and make a new one, as the coordinator does beside the server."""
    store = Store(served.store)
    access.revoke(store, who)
    secret = access.issue(store, who)
    store.close()
    return f"{served.base}/enter/{secret}"


def reopen(visitor: Visitor, link: str) -> None:
    """Open a link in another tab and come back."""
    tab = visitor.context.new_page()
    tab.goto(link)
    if tab.locator("#consent").count():
        tab.locator("#consent").check()
    tab.locator("button.main").click()
    tab.wait_for_selector("h1:has-text('Your sounds')")
    tab.close()


def test_a_plain_form_outlives_its_link(chromium: Any, served: Served) -> None:
    one = Visitor(chromium, served, "a1", java_script_enabled=False)
    page = one.page
    page.goto(served.links["a1"])
    page.locator("#consent").check()
    page.locator("button.main").click()
    page.goto(f"{served.base}/clip/5")
    page.fill("#text", 'A small "bell" & rain, written without a script')
    link = renew(served, "a1")
    page.locator("#done").click()
    page.locator("h1", has_text="Not saved yet").wait_for()
    assert page.input_value("#text") == 'A small "bell" & rain, written without a script'
    assert page.locator("#text").get_attribute("readonly") is not None
    reopen(one, link)
    page.locator("#again button").click()
    page.wait_for_url("**/clip/6")
    words = ('A small "bell" & rain, written without a script', "done")
    assert list(stored(served.store).values()) == [words]
    one.close(may_fail=True)


def test_the_script_goes_on_when_its_link_is_opened_again(chromium: Any, served: Served) -> None:
    one = Visitor(chromium, served, "a1").enter()
    page = one.page
    page.goto(f"{served.base}/clip/5")
    link = renew(served, "a1")
    page.fill("#text", "A small bell rings in the rain")
    one.state("no longer valid here")
    assert stored(served.store) == {}
    # Somebody else signs in meanwhile in this browser: not their words.
    reopen(one, served.links["a2"])
    page.locator("#done").click()
    one.state("signed in as somebody else")
    assert stored(served.store) == {}
    one.context.clear_cookies()
    reopen(one, link)
    page.locator("#done").click()
    page.wait_for_url("**/clip/6")
    assert list(stored(served.store).values()) == [("A small bell rings in the rain", "done")]
    one.close(may_fail=True)


@pytest.mark.parametrize(("look", "width"), [("light", 1280), ("dark", 320)])
def test_every_page_is_accessible_and_fits(
    chromium: Any, served: Served, look: str, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    visitor = Visitor(
        chromium,
        served,
        "a1",
        color_scheme=look,
        viewport={"width": width, "height": 800},
        bypass_csp=True,  # the page's policy forbids axe's own script
    )
    page = visitor.page

    def examine() -> None:
        # Not preloaded: axe would wait for sounds that load when they are played.
        found = axe.run(page, options={"preload": False, "resultTypes": ["violations"]})
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if page.locator("#leave").count():
            mark, leave = (page.locator(one).bounding_box() for one in (".home", "#leave button"))
            assert mark
            assert leave
            assert mark["y"] <= leave["y"] + leave["height"] / 2 <= mark["y"] + mark["height"]
            assert leave["x"] > mark["x"] + mark["width"]

    def look_at(path: str) -> None:
        page.goto(f"{served.base}{path}")
        examine()

    page.goto(served.links["a1"])
    examine()
    visitor.enter()
    look_at("/clip/1")
    page.fill("#text", "Dog <b>")
    page.locator(".finding.error", has_text="markup").wait_for()
    page.locator("details.cannot summary").click()
    examine()
    look_at("/")
    look_at("/guidelines")
    page.goto(f"{served.base}/clip/1")
    visitor.context.clear_cookies()
    page.evaluate("document.querySelector('#describe').submit()")
    page.locator("#again").wait_for()
    examine()
    page.goto(served.links["coordinator"])
    page.locator("button.main").click()
    look_at("/coordinator")
    look_at("/coordinator/clip/1")
    visitor.close(may_fail=True)

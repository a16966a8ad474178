"""The store: history, conflicts, locks, durability, rights of the file."""

from __future__ import annotations

import re
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lassbench.annotate import access
from lassbench.annotate.campaign import Campaign
from lassbench.annotate.store import Change, LockedError, Store
from lassbench.errors import LassbenchError, UsageError
from tests.annotate.conftest import Clock


def clip(store: Store, number: int = 0) -> str:
    return store.campaign.clips[number]


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("{", "[" * 100_000),
        ("{", ""),
        ('"seed": 0', '"seed": "0"'),
        ('"seed": 0', f'"seed": {"1" * 5000}'),
        ('"seed": 0', '"seed": 0, "mood": 1'),
        ('"seed": 0', '"seed": NaN'),
        ('"a1"', '"../../x"'),
        ('"a1"', "1"),
        ('"name": "', '"name": "../../'),
        ('"schema_version": 1', '"schema_version": 9'),
    ],
)
def test_a_campaign_that_was_edited_is_one_message(store: Store, was: str, becomes: str) -> None:
    text = store.campaign.to_json()
    assert was in text
    path = store.path
    store.close()
    with sqlite3.connect(path) as db:
        changed = becomes if was == "{" else text.replace(was, becomes, 1)
        db.execute("UPDATE meta SET value = ? WHERE key = 'campaign'", (changed,))
    db.close()
    with pytest.raises(LassbenchError, match=re.escape(str(path))) as caught:
        Store(path)
    assert len(str(caught.value)) < 1000


def test_every_draft_stays_in_the_history(store: Store, clock: Clock) -> None:
    for text in ("A", "A dog", "A dog barks"):
        clock.now += 10
        store.save(Change("a1", clip(store), text)).result()
    store.save(Change("a1", clip(store), "A dog barks")).result()
    drafts = store.history("a1", clip(store))
    assert [draft.text for draft in drafts] == ["A", "A dog", "A dog barks"]
    assert [draft.revision for draft in drafts] == [1, 2, 3]
    answer = store.answer("a1", clip(store))
    assert (answer.text, answer.revision) == ("A dog barks", 3)
    assert answer.last_at - answer.first_at == 20


def test_one_browser_may_repeat_itself_another_may_not_overwrite(store: Store) -> None:
    store.save(Change("a1", clip(store), "one", base=0, writer="x")).result()
    # The reply was lost, so x goes on from revision 0.
    again = store.save(Change("a1", clip(store), "one two", base=0, writer="x")).result()
    assert again.accepted
    other = store.save(Change("a1", clip(store), "else", base=1, writer="y")).result()
    assert not other.accepted
    assert other.answer.text == "one two"
    assert [d.text for d in store.history() if not d.accepted] == ["else"]
    assert store.save(Change("a1", clip(store), "else", base=2, writer="y")).result().accepted


def test_the_last_word_of_a_page_does_not_unfinish(store: Store) -> None:
    store.save(Change("a1", clip(store), "A dog barks", state="done")).result()
    store.save(Change("a1", clip(store), "A dog  barks ", seconds=3.0)).result()
    assert store.answer("a1", clip(store)).state == "done"
    assert store.answer("a1", clip(store)).seconds == 3.0
    store.save(Change("a1", clip(store), "A dog barks twice")).result()
    assert store.answer("a1", clip(store)).state == "draft"


def test_a_locked_list_does_not_change(store: Store) -> None:
    store.save(Change("a1", clip(store), "before")).result()
    store.lock("a1").result()
    with pytest.raises(LockedError):
        store.save(Change("a1", clip(store), "after")).result()
    store.save(Change("a2", clip(store), "free")).result()
    assert store.answer("a1", clip(store)).text == "before"
    store.lock("a1", False).result()
    assert store.save(Change("a1", clip(store), "after")).result().accepted


def test_what_is_not_in_the_campaign_is_refused(store: Store) -> None:
    for who, where in (("a9", clip(store)), ("a1", "elsewhere")):
        with pytest.raises(LassbenchError, match="not in this campaign"):
            store.save(Change(who, where, "x"))


def test_one_failing_change_does_not_spoil_the_others_of_its_commit(store: Store) -> None:
    def bad(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM answers")
        raise ValueError("no")

    store.save(Change("a1", clip(store), "stays")).result()
    futures = [store.save(Change("a2", clip(store, n), "kept")) for n in range(5)]
    failing = store.db.write(bad)
    futures += [store.save(Change("a3", clip(store, n), "kept")) for n in range(5)]
    with pytest.raises(ValueError, match="no"):
        failing.result()
    assert all(future.result().accepted for future in futures)
    assert len(store.answers()) == 11


def test_words_survive_a_killed_process(campaign: Campaign, tmp_path: Path) -> None:
    path = tmp_path / "killed.sqlite"
    Store.create(path, campaign).close()
    code = f"""
import os, signal
from pathlib import Path
from lassbench.annotate.store import Change, Store
store = Store(Path({str(path)!r}))
for number in range(50):
    store.save(Change("a1", store.campaign.clips[0], f"draft {{number}}")).result()
    print(number, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    store = Store(path)
    assert [d.text for d in store.history()] == [f"draft {n}" for n in range(50)]
    store.close()


def test_only_the_owner_reads_the_store(store: Store) -> None:
    store.save(Change("a1", clip(store), "x")).result()
    for path in store.path.parent.glob("store.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_missing_damaged_and_present_stores_are_told(
    campaign: Campaign, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(LassbenchError, match="no store of descriptions here"):
        Store(tmp_path / "none.sqlite")
    (tmp_path / "bad.sqlite").write_text("not a database at all")
    with pytest.raises(LassbenchError, match="no store of descriptions, or it is damaged"):
        Store(tmp_path / "bad.sqlite")
    with pytest.raises(LassbenchError, match="there is a store already"):
        Store.create(store.path, campaign)


def test_who_withdraws_is_forgotten(store: Store) -> None:
    store.consent("a1").result()
    for who in ("a1", "a2"):
        store.save(Change(who, clip(store), "a very special sentence of " + who)).result()
    assert store.forget("a1") == 1
    assert [key[0] for key in store.answers()] == ["a2"]
    assert (store.history("a1"), store.consents()) == ([], {})


# Links and sessions ------------------------------------------------------------


def test_a_link_is_good_until_it_expires(store: Store, clock: Clock) -> None:
    secret = access.issue(store, "a2", days=2)
    found = access.of_link(store, secret)
    assert found is not None
    assert (found.role, found.annotator) == ("annotator", "a2")
    session, stored = access.open_session(store, found)
    stored.result()
    assert access.of_session(store, session) == found
    clock.now += 2 * access.DAY_S
    assert access.of_link(store, secret) is None
    assert access.of_session(store, session) is None
    assert [link.state for link in access.links(store)] == ["expired"]


def test_revoking_ends_the_sessions_of_that_person_only(store: Store) -> None:
    secrets = {who: access.issue(store, who) for who in ("a1", "a2", "coordinator")}
    sessions = {}
    for who, secret in secrets.items():
        identity = access.of_link(store, secret)
        assert identity is not None
        sessions[who], stored = access.open_session(store, identity)
        stored.result()
    assert access.revoke(store, "a1") == 1
    assert access.of_link(store, secrets["a1"]) is None
    assert access.of_session(store, sessions["a1"]) is None
    assert access.of_session(store, sessions["a2"]) is not None
    coordinator = access.of_session(store, sessions["coordinator"])
    assert coordinator is not None
    assert coordinator.role == "coordinator"


def test_no_secret_stands_in_the_store(store: Store) -> None:
    secret = access.issue(store, "a1")
    identity = access.of_link(store, secret)
    assert identity is not None
    session, stored = access.open_session(store, identity)
    stored.result()
    held = b"".join(path.read_bytes() for path in store.path.parent.glob("store.sqlite*"))
    assert secret.encode() not in held
    assert session.encode() not in held
    assert len(secret) >= 43


def test_nobody_else_gets_a_link(store: Store) -> None:
    with pytest.raises(UsageError, match="did you mean"):
        access.issue(store, "a11")
    with pytest.raises(UsageError):
        access.issue(store, "a1", days=0)
    assert access.of_link(store, "guess") is None

"""YAML files that others wrote, through each public reader: one clear error, never another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lassbench.benchmark.selection import read_definition
from lassbench.corpora.folder import FolderCorpus
from lassbench.errors import LassbenchError
from lassbench.models.config import load_config
from lassbench.systems.predictions import read_system
from tests.small_metadata import CONCEPTS


class Reader(NamedTuple):
    """A file's name, how it is read, and a good one that ends with a key for text."""

    file: str
    read: Callable[[Path], Any]
    good: str
    text_key: str


READERS = [
    Reader("system.yaml", lambda path: read_system(path.parent), "name: x\n", "authors"),
    Reader(
        "card.yaml",
        lambda path: FolderCorpus(path.parent, path.parent / "metadata.csv").card,
        "name: x\n",
        "licence",
    ),
    Reader("concepts.yaml", read_definition, CONCEPTS, "description"),
    Reader("config.yaml", load_config, "name: x\n", "description"),
]
each_reader = pytest.mark.parametrize("reader", READERS, ids=[one.file for one in READERS])


def billion_laughs() -> str:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    return "\n".join(lines) + "\n"


#: What stands in place of the file, or (with {good} and {key}) behind a good one, and
#: what the error says.
ATTACKS: dict[str, tuple[str | bytes, str]] = {
    "billion laughs": (billion_laughs(), "alias"),
    "an alias of itself": ("{good}{key}: &x [*x]\n", "alias"),
    "nested brackets": ("{good}{key}: " + "[" * 100_000, "nested deeper"),
    "nested braces": ("{good}{key}: " + "{{a: " * 100_000, "nested deeper"),
    "a number of 5000 digits": ("{good}{key}: " + "9" * 5000, "5000 digits"),
    "2 MB": ("{good}{key}: " + "x" * 2_000_000, "too large"),
    "half a million list items": ("{good}{key}: [" + "1," * 400_000 + "]", "must be text"),
    "a key twice": ("{good}{key}: a\n{key}: b\n", "given twice"),
    "a NUL": (b"name: a\0b\n", "NUL"),
    "not UTF-8": (b"name: \xff\n", "not UTF-8"),
    "half of UTF-16": (b"\xff\xfen\0a", "begins as UTF-16"),
    "a number where text belongs": ("{good}{key}: 20261127\n", "must be text, got 20261127"),
    "a list where text belongs": ("{good}{key}: [a]\n", "must be text"),
    "a tag that makes an object": ("{good}{key}: !!python/name:os.system ''\n", "holds the tag"),
    "two documents": ("{good}---\n{good}", "more than one document"),
    "a list where a mapping belongs": ("- a\n- b\n", "must be a section of keys"),
    "a key that is a list": ("{good}? [a, b]\n: c\n", "a key that is not text"),
    "an escape sequence as a key": ('{good}"\\e[2J": c\n', "there is no"),
    "half a character": ('{good}{key}: "\\ud800"\n', "Unicode"),
}


def content(reader: Reader, attack: str | bytes) -> bytes:
    if isinstance(attack, bytes):
        return attack
    if "{good}" in attack:
        attack = attack.format(good=reader.good, key=reader.text_key)
    return attack.encode()


@each_reader
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_file_is_one_error_that_names_it(
    tmp_path: Path, reader: Reader, attack: str
) -> None:
    path = tmp_path / reader.file
    text, told = ATTACKS[attack]
    path.write_bytes(content(reader, text))
    with pytest.raises(LassbenchError) as caught:
        reader.read(path)
    message = str(caught.value)
    assert str(path) in message.splitlines()[0]
    assert told in message
    assert len(message) < 20_000
    assert message.replace("\n", "").isprintable()


@each_reader
def test_the_same_file_without_the_attack_is_read(tmp_path: Path, reader: Reader) -> None:
    path = tmp_path / reader.file
    # What YAML 1.1 takes for a date, a truth value and a number in base 60 is text.
    for text in ("2026-11-27", "no", "1:30"):
        path.write_text(f"{reader.good}{reader.text_key}: {text}\n")
        found = reader.read(path)
        card = getattr(found, "card", found)
        assert getattr(card, reader.text_key) == text

"""Files in YAML: the only reader and the only writer.

People write these by hand and pass them on, so a reader has to bear anything:
at most :data:`LIMIT_BYTES` of it, :data:`LIMIT_DEPTH` levels deep, without
aliases (a few lines of them can stand for gigabytes) and tags.  Plain values are
read as YAML 1.2 says: ``no`` and ``off`` are text, ``1e-3`` is a number, a date
is text, and whole numbers are decimal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from lassbench.checked import Key, validate
from lassbench.errors import Fault, FaultsError, LassbenchError, one_line
from lassbench.files import read_text, write_text

T = TypeVar("T")

LIMIT_BYTES = 1 << 20
LIMIT_DEPTH = 20
#: Digits of a whole number: more than any count, hash or seed has.
LIMIT_DIGITS = 20

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE = re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


def read_yaml(
    path: Path,
    kind: Callable[..., T],
    *,
    what: str,
    fix: str = "correct the file",
    defaults: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    prepare: Callable[[Any], Any] = lambda value: value,
    error: Callable[..., FaultsError] = FaultsError,
) -> T:
    """The record of type ``kind`` in a YAML file; an empty file has no keys.

    Parameters
    ----------
    what
        The sentence above the faults: "the card cannot be used".
    defaults
        What keys are that the file does not have.
    overrides
        ``section.key=value`` of ``--set``, values written as in YAML.
    prepare
        What is made of the file's value before it is checked.
    error
        What is raised: :class:`FaultsError`, or its subclass for wrong usage.

    Raises
    ------
    FaultsError
        If the file cannot be read, is too large, not UTF-8 or not YAML, or lists
        every unknown or missing key and every value that cannot be, each with
        ``file:line``.
    """
    try:
        text = read_text(path, limit=LIMIT_BYTES)
    except LassbenchError as bad:
        reason = f"{bad.what}, expected {bad.expected}" if bad.expected else bad.what
        fault = Fault("not readable", bad.where, reason)
        raise error(what, [fault], where=path, fix=bad.fix or fix) from bad
    try:
        value, lines = _parse(text, str(path))
        places: dict[Key, str] = {key: f"{path}:{line}" for key, line in lines.items()}
        if value is None or isinstance(value, dict):
            value = {**(defaults or {}), **(value or {})}
        for override in overrides if isinstance(value, dict) else ():
            _override(value, places, override)
    except _NotYaml as bad:
        raise error(what, [bad.fault], where=path, fix=fix) from bad
    value = prepare(value)
    return validate(kind, value, what=what, where=path, places=places, fix=fix, error=error)


class _NotYaml(Exception):
    def __init__(self, where: str, reason: str) -> None:
        self.fault = Fault("not valid YAML", where, one_line(reason))


@dataclass
class _Composer:
    """Builds plain values from the parser's events, which come as the text is read."""

    events: Iterator[Any]
    where: str
    lines: dict[Key, int]

    def refuse(self, event: Any, reason: str) -> _NotYaml:
        return _NotYaml(f"{self.where}:{_line(event)}", reason)

    def value(self, event: Any, key: Key) -> Any:
        """The value that begins with ``event``, and below it everything's line."""
        self.lines.setdefault(key, _line(event))
        if isinstance(event, yaml.AliasEvent):
            raise self.refuse(event, f"holds the alias *{event.anchor}; write the value out")
        if len(key) >= LIMIT_DEPTH and isinstance(event, yaml.CollectionStartEvent):
            raise self.refuse(event, f"is nested deeper than {LIMIT_DEPTH} levels")
        if event.tag is not None:
            raise self.refuse(event, f"holds the tag {event.tag}; leave it out")
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(key)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(key)
        return self.scalar(event)

    def mapping(self, above: Key) -> dict[str, Any]:
        found: dict[str, Any] = {}
        event: Any
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                raise self.refuse(event, "has a key that is not text")
            key = (*above, event.value)
            if event.value in found:
                reason = f"the key {event.value!r} is given twice, first in line {self.lines[key]}"
                raise self.refuse(event, reason)
            self.lines[key] = _line(event)
            found[event.value] = self.value(next(self.events), key)
        return found

    def sequence(self, above: Key) -> list[Any]:
        found: list[Any] = []
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            found.append(self.value(event, (*above, len(found))))
        return found

    def scalar(self, event: Any) -> Any:
        text = event.value
        if "\0" in text:
            raise self.refuse(event, "holds a NUL")
        if not event.implicit[0]:  # quoted, or a block
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _WHOLE.fullmatch(text):
            if len(text) > LIMIT_DIGITS:
                raise self.refuse(event, f"holds a whole number of {len(text)} digits")
            return int(text)
        return float(re.sub(r"\.(?=[inIN])", "", text)) if _FLOAT.fullmatch(text) else text


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _parse(text: str, where: str) -> tuple[Any, dict[Key, int]]:
    """The one document of ``text``, and the line of each key in it."""
    if not text.isascii() and re.search("[\ud800-\udfff]", text):
        raise _NotYaml(where, "holds bytes that are not UTF-8")  # as arguments can
    lines: dict[Key, int] = {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        composer = _Composer(yaml.parse(text, Loader=loader), where, lines)
        value: Any = None
        documents = 0
        for event in composer.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise composer.refuse(event, "holds more than one document")
            elif isinstance(event, yaml.NodeEvent):
                value = composer.value(event, ())
        return value, lines
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        place = f"{where}:{mark.line + 1}" if mark else where
        reason = getattr(error, "problem", None) or str(error)
        raise _NotYaml(place, reason) from error


def _override(value: Any, places: dict[Key, str], override: str) -> None:
    """Set ``section.key`` of ``value`` to the value of ``section.key=value``."""
    name, equals, text = override.partition("=")
    keys = tuple(name.strip().split("."))
    where = f"--set {override}"
    if not equals or not all(keys):
        raise _NotYaml(where, f"is no override; expected section.key=value, got {override!r}")
    section = value
    for depth, key in enumerate(keys, start=1):
        if not isinstance(section, dict):
            raise _NotYaml(where, f"{keys[depth - 2]!r} has no keys of its own")
        if depth < len(keys):
            section = section.setdefault(key, {})
    try:
        section[keys[-1]], _ = _parse(text, where)
    except _NotYaml as bad:
        raise _NotYaml(where, bad.fault.reason) from bad
    for below in [key for key in places if key[: len(keys)] == keys]:
        del places[below]  # what stood in the file is replaced whole
    for depth in range(1, len(keys)):
        places.setdefault(keys[:depth], where)
    places[keys] = where


class _Dumper(yaml.SafeDumper):
    """Writes what :func:`read_yaml` reads back the same: text like ``1e-3`` is quoted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True  # a list that stands twice is written twice


for _kind, _numbers in (("float", _FLOAT), ("int", _WHOLE)):
    # Whole texts only: a resolver takes a pattern that fits the beginning.
    _whole = re.compile(rf"(?:{_numbers.pattern})\Z")
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", _whole, list("-+.0123456789"))


def to_yaml(value: Any) -> str:
    """YAML of plain dicts, lists, tuples, text and numbers, keys in their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def write_yaml(path: Path, value: Any) -> None:
    """Write ``value`` as YAML (see :func:`to_yaml`) atomically."""
    write_text(path, to_yaml(value))

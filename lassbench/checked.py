"""Values from other people's files, checked once: shared types, and faults that say what to write.

Behind :func:`validate` the code trusts what it was given.  Types are pydantic's;
a kind of record is a :class:`Strict` model or a dataclass.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, get_args, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from lassbench.errors import Fault, FaultsError, did_you_mean, nearest, one_line
from lassbench.files import JSON_LIMIT, name_fault, read_json
from lassbench.plain_text import refused_character, text_fault, url_fault

T = TypeVar("T")
#: The way to a value: keys and list indices.
Key = tuple[str | int, ...]


class Strict(BaseModel):
    """A record that refuses fields it does not know and is never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Impossible(ValueError):
    """What a validator of several fields raises: the reason, and the key of the one to change."""

    def __init__(self, reason: str, *key: str | int) -> None:
        super().__init__(reason)
        self.key = key


#: Of pydantic dataclasses: what :class:`Strict` is for models, and no conversion in code either.
RULES = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def ruled(fault_of: Callable[[str], str]) -> AfterValidator:
    """Refuses a text for the reason that ``fault_of`` gives; ``""`` lets it pass."""

    def check(text: str) -> str:
        if reason := fault_of(text):
            raise ValueError(f"{one_line(text, 100)!r} {reason}")
        return text

    return AfterValidator(check)


#: A name that becomes part of a path (:func:`lassbench.files.name_fault`).
PathName = Annotated[str, ruled(name_fault)]
#: What a page links to: an http or https address, or nothing.
WebAddress = Annotated[str, ruled(lambda text: url_fault(text) if text else "")]
#: Text of one line, of however many it is written in.
on_one_line = AfterValidator(lambda text: " ".join(text.split()))
#: Text in which a reader can see every character; line breaks may be in it.
readable = ruled(lambda text: refused_character(re.sub("[\n\t]", " ", text)))
#: What a dataset is called.  A suite's title, of at most 200, is this and some words more.
Title = Annotated[str, on_one_line, ruled(lambda text: text_fault(text, limit=150))]
SampleRate = Annotated[int, Field(ge=1000, le=384_000)]
Seconds = Annotated[float, Field(ge=0.01, le=3600)]
#: Text with something in it, as tables show it.
Label = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=5000)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
#: Bounded: Python's whole numbers are not, and a float cannot hold them all.
Count = Annotated[int, Field(ge=0, le=10**15)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_FLAGS = {"yes": True, "on": True, "no": False, "off": False}
#: True or false, also as yes, no, on and off.
Flag = Annotated[
    bool,
    BeforeValidator(
        lambda value: _FLAGS.get(value.lower(), value) if isinstance(value, str) else value
    ),
]


def validate(
    kind: Callable[..., T],
    value: Any,
    *,
    what: str,
    where: object = "",
    places: Mapping[Key, str] | None = None,
    fix: str = "",
    error: Callable[..., FaultsError] = FaultsError,
) -> T:
    """``value``, of plain dicts, lists, text and numbers, as a ``kind``.

    Nothing is converted: text is no number, 1 is not true.

    Parameters
    ----------
    what
        The sentence above the faults: "the card cannot be used".
    where, places
        The file, and more exactly where each key stands (``file:line``).
    error
        What is raised: :class:`FaultsError`, or its subclass for wrong usage.

    Raises
    ------
    FaultsError
        Listing every unknown or missing key and every value that cannot be.
    """
    try:
        # As JSON: there a list may stand for a tuple, and still nothing is converted.
        text = json.dumps(value, ensure_ascii=False).encode()
    except (TypeError, UnicodeEncodeError) as other:  # bytes, or half a character
        reason = f"holds what JSON cannot carry: {one_line(str(other), 100)}"
        raise error(what, [Fault("wrong value", str(where), reason)], fix=fix) from other
    try:
        checked: T = _adapter(kind).validate_json(text, strict=True)
        return checked
    except ValidationError as invalid:
        if (count := invalid.error_count()) > _MOST_DETAILS:
            reason = f"{count} values are wrong, or keys unknown or missing"
            raise error(what, [Fault("wrong value", str(where), reason)], fix=fix) from invalid
        faults: dict[Key, Fault] = {}
        for detail in invalid.errors(include_url=False)[:_MOST_FAULTS]:
            key, fault = _fault(detail, kind, value, where, places or {})
            faults.setdefault(key, fault)  # a union complains once for each of its branches
        raise error(what, faults.values(), where=where, fix=fix) from invalid


#: More faults of one file tell nobody anything.
_MOST_FAULTS = 1000
#: Telling of a fault takes a kilobyte, and pydantic tells of all at once.
_MOST_DETAILS = 50_000


def read_record(
    path: Path, kind: Callable[..., T], *, what: str, fix: str, limit: int = JSON_LIMIT
) -> T:
    """The record of type ``kind`` in a JSON file of at most ``limit`` bytes.

    Raises
    ------
    LassbenchError
        As :func:`lassbench.files.read_json`.
    FaultsError
        As :func:`validate`.
    """
    value = read_json(path, fix=fix, limit=limit)
    return validate(kind, value, what=what, where=path, fix=fix)


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


# What is wrong, in words ------------------------------------------------------


def _place(key: Key, where: object, places: Mapping[Key, str]) -> str:
    """Where ``key`` stands, or the nearest thing around it that has a line."""
    for length in range(len(key), -1, -1):
        if key[:length] in places:
            return places[key[:length]]
    return str(where)


def _fault(
    detail: Any, kind: Any, value: Any, where: object, places: Mapping[Key, str]
) -> tuple[Key, Fault]:
    wrong, key = detail["type"], _within(value, detail["loc"])
    if wrong == "json_invalid":  # it was read before: only its depth can be wrong
        return key, Fault("wrong value", str(where), "is nested too deeply")
    missing = wrong in {"missing", "missing_argument"}
    if missing:
        key = (*key, detail["loc"][-1])
    name, place = ".".join(map(str, key)), _place(key, where, places)
    if missing:
        return key, Fault("missing key", place, f"{name} is missing")
    if wrong in {"extra_forbidden", "unexpected_keyword_argument"}:
        return key, Fault("unknown key", place, f"there is no {name!r}{_meant(key, kind)}")
    if wrong == "value_error":
        # A rule's own sentence, which may be about the whole record.
        reason = detail["ctx"]["error"]
        key = (*key, *getattr(reason, "key", ()))
        name = f"{'.'.join(map(str, key))}: " if key else ""
        return key, Fault("wrong value", _place(key, where, places), f"{name}{reason}")
    given = detail["input"]
    near = ""
    if wrong == "literal_error" and isinstance(given, str):
        near = did_you_mean(given, _choices(detail))
    reason = f"must be {_expected(detail)}, got {one_line(_as_written(given), 80)}{near}"
    return key, Fault("wrong value", place, f"{name or 'it'} {reason}")


def _as_written(given: Any) -> str:
    words = {True: "true", False: "false", None: "nothing"}
    if isinstance(given, bool) or given is None:
        return words[given]
    return repr(given)


def _within(value: Any, location: Key) -> Key:
    """The part of a pydantic location that leads somewhere in ``value``.

    pydantic names the branches of a union in it too.
    """
    found: list[str | int] = []
    for part in location:
        inside = part in value if isinstance(value, dict) else False
        if isinstance(value, list) and isinstance(part, int):
            inside = part < len(value)
        if inside:
            found.append(part)
            value = value[part]
    return tuple(found)


_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a section of keys",
    "model_type": "a section of keys",
    "model_attributes_type": "a section of keys",
    "dataclass_type": "a section of keys",
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "above {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "below {lt:g}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
    "string_pattern_mismatch": "text like {pattern}",
}


def _expected(detail: Any) -> str:
    wrong, context = detail["type"], detail.get("ctx") or {}
    if wrong == "literal_error":
        return " | ".join(_choices(detail))
    if wrong in _EXPECTED:
        return _EXPECTED[wrong].format(**context)
    return str(detail["msg"]).removeprefix("Input should be ")


def _choices(detail: Any) -> list[str]:
    # Only texts stand in quotes.
    return re.findall(r"'([^']*)'", detail["ctx"]["expected"]) or [detail["ctx"]["expected"]]


def _meant(key: Key, kind: Any) -> str:
    """The key nearest to an unknown one, in its own section if that has one as near."""
    plain = tuple(part for part in key if isinstance(part, str))
    known = _known(kind)
    near = nearest(plain[-1], (one[-1] for one in known))
    same_name = [one for one in known if one[-1] == near]
    same_name.sort(key=lambda one: one[:-1] != plain[:-1])
    if same_name:
        return f" (did you mean {'.'.join(same_name[0])!r}?)"
    return f"; there are {', '.join(one[-1] for one in known if one[:-1] == plain[:-1])}"


@functools.cache
def _known(kind: Any) -> tuple[tuple[str, ...], ...]:
    return tuple(_keys(kind, ()))


def _keys(kind: Any, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every key that a ``kind`` can hold, those of its sections too."""
    if isinstance(kind, type) and (issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind)):
        for name, hint in get_type_hints(kind).items():
            if not name.startswith("_") and get_origin(hint) is not ClassVar:
                yield (*above, name)
                yield from _keys(hint, (*above, name))
    for part in get_args(kind):
        yield from _keys(part, above)

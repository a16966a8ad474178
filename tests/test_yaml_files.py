"""YAML that people write: every fault with its line, and nothing that takes the machine down."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import model_validator

from lassbench.checked import Flag, Impossible, PathName, Strict
from lassbench.errors import FaultsError, LassbenchError, UsageFaultsError
from lassbench.yaml_files import LIMIT_BYTES, LIMIT_DEPTH, read_yaml, to_yaml, write_yaml


class Anything(Strict):
    a: Any = None
    b: Any = None


@dataclass(frozen=True)
class Inner:
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # pydantic reads it so
    steps: int = 1
    rate: float = 0.5
    sizes: tuple[int, ...] = ()
    span: tuple[float, float] = (0.0, 0.0)
    when: Literal["auto", "on", "off"] = "auto"
    public: Flag = False


class Outer(Strict):
    name: PathName = "x"
    title: str = ""
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()

    @model_validator(mode="after")
    def _not_both(self) -> Outer:
        if self.inner.steps == 7 and self.many:
            raise Impossible("cannot be 7 with many", "inner", "steps")
        return self


def read(folder: Path, text: str | bytes, kind: Any = Anything, **options: Any) -> Any:
    path = folder / "my.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_yaml(path, kind, what="the file cannot be used", **options)


def faults(folder: Path, text: str | bytes, kind: Any = Outer, **options: Any) -> list[str]:
    with pytest.raises(FaultsError) as caught:
        read(folder, text, kind, **options)
    return [str(fault).removeprefix(f"{folder}/") for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1),
        ("-12", -12),
        ("010", 10),
        ("1e-3", 0.001),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("true", True),
        ("~", None),
        ("", None),
        # YAML 1.1 takes these for a truth value, a date and a number in base 60.
        ("no", "no"),
        ("off", "off"),
        ("2026-11-27", "2026-11-27"),
        ("1:30", "1:30"),
        ("'1'", "1"),
        ("1_500_000", 1500000),
        ("[1, [a, {b: c}]]", [1, ["a", {"b": "c"}]]),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_plain_values(tmp_path: Path, written: str, value: object) -> None:
    assert read(tmp_path, f"a: {written}\n").a == value


@pytest.mark.parametrize(
    "value",
    [
        *(
            "1e-3",
            "1",
            "no",
            "true",
            "",
            "~",
            ".inf",
            "2026-11-27",
            "a: b",
            "#",
            "é",
            "1e5",
            "0x1f",
        ),
        *(
            "two\nlines",
            " spaces ",
            "'quoted'",
            "&a",
            "*a",
            "!t",
            "- x",
            3,
            1e-7,
            1e300,
            True,
            None,
        ),
        *([], {}, [["a"], {"b": [None]}], "x" * 300),
    ],
)
def test_what_is_written_reads_back_the_same_here_and_elsewhere(
    tmp_path: Path, value: object
) -> None:
    write_yaml(tmp_path / "w.yaml", {"a": value})
    assert read_yaml(tmp_path / "w.yaml", Anything, what="") == Anything(a=value)
    assert yaml.safe_load((tmp_path / "w.yaml").read_text(encoding="utf-8")) == {"a": value}


def test_tuples_are_lists_and_keys_keep_their_order() -> None:
    assert to_yaml({"b": (1, 2), "a": "x"}) == "b:\n- 1\n- 2\na: x\n"


@pytest.mark.parametrize("text", ["9c685f44", "38c6e714", "1 dog", "2nd", "-x", "1.5 s", ".nano"])
def test_text_that_begins_like_a_number_needs_no_quotes(text: str) -> None:
    assert to_yaml({"a": text}) == f"a: {text}\n"


def test_a_list_that_stands_twice_is_written_twice() -> None:
    twice = ["x"]
    assert to_yaml({"a": twice, "b": twice}) == "a:\n- x\nb:\n- x\n"


def test_an_empty_file_has_no_keys(tmp_path: Path) -> None:
    for text in ("", "\n# only a comment\n", "---\n", "\ufeff"):
        assert read(tmp_path, text, Outer) == Outer()


def test_every_fault_is_told_with_its_line(tmp_path: Path) -> None:
    text = (
        "name: ../up\ntitle: 3\ninner:\n  stpes: 2\n  rate: fast\n  sizes: [1, x]\n"
        "  when: of\n  public: 1\n  span: [1]\nmany:\n- steps: 1.5\n- rat: 2\n"
    )
    assert sorted(faults(tmp_path, text)) == sorted(
        [
            "my.yaml:1: name: '../up' may have letters, digits, '.', '_' and '-' only, "
            "a letter or digit first",
            "my.yaml:2: title must be text, got 3",
            "my.yaml:4: there is no 'inner.stpes' (did you mean 'inner.steps'?)",
            "my.yaml:5: inner.rate must be a number, got 'fast'",
            "my.yaml:6: inner.sizes.1 must be a whole number, got 'x'",
            "my.yaml:7: inner.when must be auto | on | off, got 'of' (did you mean 'off'?)",
            "my.yaml:8: inner.public must be true or false, got 1",
            "my.yaml:9: inner.span.1 is missing",
            "my.yaml:11: many.0.steps must be a whole number, got 1.5",
            "my.yaml:12: there is no 'many.1.rat' (did you mean 'many.rate'?)",
        ]
    )


def test_a_rule_of_several_keys_names_the_one_to_change(tmp_path: Path) -> None:
    text = "name: x\ninner:\n  rate: 1\n  steps: 7\nmany: [{}]\n"
    assert faults(tmp_path, text) == ["my.yaml:4: inner.steps: cannot be 7 with many"]


@pytest.mark.parametrize("value", ["[yes]", "{yes: no}", "maybe", "~", "1"])
def test_what_is_no_truth_value(tmp_path: Path, value: str) -> None:
    (told,) = faults(tmp_path, f"inner:\n  public: {value}\n")
    assert told.startswith("my.yaml:2: inner.public must be true or false, got ")


def test_truth_values_may_be_written_in_words(tmp_path: Path) -> None:
    assert [
        read(tmp_path, f"inner: {{public: {word}}}", Outer).inner.public
        for word in ("yes", "on", "true", "no", "off", "false")
    ] == [True] * 3 + [False] * 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [1,\n", ":2: "),
        ("a: \tb: c\n", ":1: "),
        ("a: 1\nb: 2\na: 3\n", ":3: the key 'a' is given twice, first in line 1"),
        ("? [a, b]\n: c\n", ":1: has a key that is not text"),
        ("a: 1\n---\na: 2\n", ":2: holds more than one document"),
        ("a: !!python/object/apply:os.system [ls]\n", ":1: holds the tag"),
        ("a: !!binary aGk=\n", ":1: holds the tag"),
        ("a: &x 1\nb: *x\n", ":2: holds the alias *x"),
        ("a: &x [*x]\n", ":1: holds the alias *x"),
        (f"a: {'9' * 5000}\n", ":1: holds a whole number of 5000 digits"),
        ("a: \x07\n", "my.yaml"),
    ],
)
def test_files_that_are_refused_before_they_are_built(tmp_path: Path, text: str, told: str) -> None:
    assert told in faults(tmp_path, text)[0]


@pytest.mark.parametrize("text", ["- 1\n- 2\n", "just words\n", "3\n"])
def test_a_file_without_keys_is_refused(tmp_path: Path, text: str) -> None:
    assert "must be a section of keys" in faults(tmp_path, text)[0]


def bomb() -> str:
    """Nine lines whose last stands for a billion items."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (bomb(), "alias"),
        ("a: " + "[" * 100_000, "nested deeper"),
        ("a: " + "{b: " * 100_000, "nested deeper"),
        ("".join(f"{' ' * n}a:\n" for n in range(1000)), "nested deeper"),
        ("- " * 100_000, "nested deeper"),
    ],
    ids=["aliases", "brackets", "braces", "blocks", "dashes"],
)
def test_bombs_are_refused_at_once(tmp_path: Path, text: str, told: str) -> None:
    assert told in faults(tmp_path, text)[0]


def test_limits(tmp_path: Path) -> None:
    deep = "a: " + "[" * (LIMIT_DEPTH - 1) + "]" * (LIMIT_DEPTH - 1)
    assert read(tmp_path, deep).a
    assert "nested deeper than 20" in faults(tmp_path, deep.replace("[]", "[[]]"))[0]
    large = "a: " + "x" * (LIMIT_BYTES - 3)
    assert read(tmp_path, large).a
    with pytest.raises(LassbenchError, match="too large"):
        read(tmp_path, large + "x")


def test_encodings(tmp_path: Path) -> None:
    assert read(tmp_path, "a: é".encode("utf-8-sig")).a == "é"
    assert read(tmp_path, "a: é".encode("utf-16")).a == "é"
    with pytest.raises(LassbenchError, match=r"my\.yaml:2: is not UTF-8"):
        read(tmp_path, b"a: 1\nb: \xff")


def test_overrides(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "title: t\n",
        Outer,
        overrides=["inner.steps=4", "inner.sizes=[1, 2]", "title=a=b", "inner.when=off"],
    )
    assert (found.inner.steps, found.inner.sizes, found.inner.when) == (4, (1, 2), "off")
    assert found.title == "a=b"


def test_what_an_override_replaced_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    found = faults(tmp_path, "inner:\n  span: [1, 2]\n", overrides=["inner.span=[x, 2]"])
    assert found == ["--set inner.span=[x, 2]: inner.span.0 must be a number, got 'x'"]


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("inner.steps", "is no override"),
        ("=8", "is no override"),
        ("inner.=8", "is no override"),
        ("title.x=3", "'title' has no keys of its own"),
        ("inner.steps=[", "--set inner.steps=[: did not find"),
        ("inner.step=8", "--set inner.step=8: there is no 'inner.step' (did you mean"),
        ("steps=8", "did you mean 'inner.steps'"),
        ("title=\udcff", "holds bytes that are not UTF-8"),
        ("inner.steps=many", "--set inner.steps=many: inner.steps must be a whole number"),
    ],
)
def test_overrides_that_are_none(tmp_path: Path, override: str, told: str) -> None:
    found = faults(tmp_path, "title: t\n", overrides=[override], error=UsageFaultsError)
    assert told in found[0]

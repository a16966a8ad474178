"""Records from plain values: nothing is converted, and every fault says what to write."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, model_validator

from lassbench.checked import Count, Finite, PathName, Sha256, Strict, read_record, validate
from lassbench.errors import FaultsError, LassbenchError, UsageFaultsError


class Piece(Strict):
    name: PathName
    size: Count = 0


class Record(Strict):
    pieces: tuple[Piece, ...] = ()
    level: Finite | None = None
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    sha256: Sha256 | Literal[""] = ""
    by_name: dict[str, Piece] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _different(self) -> Record:
        if len({piece.name for piece in self.pieces}) < len(self.pieces):
            raise ValueError("two pieces have one name")
        return self


def faults(value: Any) -> list[str]:
    with pytest.raises(FaultsError) as caught:
        validate(Record, value, what="the record cannot be used", where="r.json")
    return [str(fault) for fault in caught.value.faults]


def test_a_record_is_read() -> None:
    value = {"pieces": [{"name": "a", "size": 3}], "level": 1, "sha256": "0" * 64}
    assert validate(Record, value, what="") == Record(
        pieces=(Piece(name="a", size=3),), level=1.0, sha256="0" * 64
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"pieces": [{"size": 1}]}, "pieces.0.name is missing"),
        ({"pieces": [{"name": "a", "size": "3"}]}, "pieces.0.size must be a whole number, got '3'"),
        ({"pieces": [{"name": "a", "size": 1.5}]}, "must be a whole number, got 1.5"),
        ({"pieces": [{"name": "a", "size": True}]}, "must be a whole number, got true"),
        ({"pieces": [{"name": "a", "size": -1}]}, "must be at least 0, got -1"),
        ({"pieces": [{"name": "a", "size": 10**30}]}, "must be"),
        ({"pieces": [{"name": "a/b"}]}, "pieces.0.name: 'a/b' may have letters"),
        ({"pieces": [{"name": "a"}, {"name": "a"}]}, "r.json: two pieces have one name"),
        ({"pieces": {}}, "pieces must be a list"),
        ({"piece": []}, "there is no 'piece' (did you mean 'pieces'?)"),
        ({"level": math.nan}, "level must be a number"),
        ({"level": math.inf}, "level must be a number"),
        ({"level": "1"}, "level must be a number, got '1'"),
        ({"share": 2}, "share must be at most 1, got 2"),
        ({"sha256": "xyz"}, "sha256 must be text like"),
        ({"by_name": {"x": 3}}, "by_name.x must be a section of keys, got 3"),
        ({"by_name": {"x": {"name": None}}}, "by_name.x.name must be text, got nothing"),
        ([], "it must be a section of keys"),
        ("\x1b[2J" * 100, r"\x1b[2J"),
    ],
)
def test_a_fault_says_which_value_and_what_was_expected(value: Any, told: str) -> None:
    found = faults(value)
    assert len(found) == 1
    assert found[0].startswith("r.json: ")
    assert told in found[0]
    assert found[0].isprintable()
    assert len(found[0]) < 250


def test_all_faults_are_told_at_once_and_the_callers_error_is_raised() -> None:
    assert len(faults({"level": "x", "share": "y", "z": 1})) == 3
    with pytest.raises(UsageFaultsError, match="the card cannot be used") as caught:
        validate(Record, {"z": 1}, what="the card cannot be used", error=UsageFaultsError)
    assert caught.value.exit_code == 2


def test_a_record_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"share": 0.5}))
    assert read_record(path, Record, what="no record", fix="make it anew") == Record(share=0.5)
    path.write_text('{"share": 0.5')
    with pytest.raises(LassbenchError, match=r"r\.json:1: not valid JSON[\s\S]*make it anew"):
        read_record(path, Record, what="no record", fix="make it anew")
    path.write_text('{"share": "0.5"}')
    with pytest.raises(FaultsError, match=r"no record\n[\s\S]*r\.json: share must be a number"):
        read_record(path, Record, what="no record", fix="make it anew")


def test_what_json_cannot_carry_is_told(tmp_path: Path) -> None:
    assert "cannot carry" in faults_of({"share": "\ud800"})
    assert "cannot carry" in faults_of({"share": b"x"})
    deep: Any = []
    for _ in range(600):
        deep = [deep]
    assert "nested too deeply" in faults_of({"pieces": deep})
    many = {f"key{number}": 0 for number in range(5000)}
    assert len(faults(many)) <= 1000
    (tmp_path / "r.json").write_text("{" + ", ".join(['"a": 1'] * 20_000) + "}")
    with pytest.raises(LassbenchError, match="has the key 'a' twice"):
        read_record(tmp_path / "r.json", Record, what="no record", fix="make it anew")


def faults_of(value: Any) -> str:
    with pytest.raises(FaultsError) as caught:
        validate(Record, value, what="the record cannot be used", where="r.json")
    return str(caught.value)

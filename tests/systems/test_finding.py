"""From what is typed to a system: which one it is, what it is made with, what is known of it."""

from __future__ import annotations

import importlib
import linecache
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lassbench.cli import run
from lassbench.errors import LassbenchError, UsageError
from lassbench.records import Query
from lassbench.suites.suite import Suite
from lassbench.systems import own_code
from lassbench.systems.finding import Asked, as_system, find_system
from lassbench.systems.predictions import MadeBy, read_system
from lassbench.systems.protocol import System
from tests.scores.by_hand import noise, write_by_hand

#: A file with a system that answers twice the mixture.
TWICE = "def separate(mixture, query, sample_rate):\n    return 2 * mixture\n"
CLASS = """
class {name}:
    def __init__(self, gain: float = 2):
        self.gain = gain
    def separate(self, mixture, query, sample_rate):
        return self.gain * mixture
"""
MYSYSTEM = CLASS.format(name="MySystem")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield place
    own_code._forget()


def write(files: dict[str, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


def find(spec: str, seed: int | None = None, **arguments: str) -> System:
    return find_system(Asked(spec, tuple(sorted(arguments.items())), seed=seed))


def gain(system: System) -> float:
    """How many times the mixture it answers."""
    found = system.separate([noise(0)], [Query("q", "m", "a dog")], 8000)[0]
    return float(np.median(found / noise(0)))


# ---- what is meant ------------------------------------------------------------

FOUND: dict[str, tuple[dict[str, str], str, str]] = {
    # files, what is typed, the system's name
    "function": ({"mine.py": TWICE}, "mine.py", "mine"),
    "of a name that is taken": ({"json.py": TWICE}, "json.py", "json"),
    "of a name that we have": ({"audio.py": TWICE}, "audio.py", "audio"),
    "with a space": ({"my system.py": TWICE}, "my system.py", "my system"),
    "with a dash": ({"my-system.py": TWICE}, "./my-system.py", "my-system"),
    "with dots": ({"my.system.v2.py": TWICE}, "my.system.v2.py", "my.system.v2"),
    "in a folder": ({"a b/mine.py": TWICE}, "a b/mine.py", "mine"),
    "by name": ({"mine.py": TWICE}, "mine.py:separate", "mine"),
    "by another name": ({"mine.py": TWICE.replace("separate", "other")}, "mine.py:other", "other"),
    "nothing after the colon": ({"mine.py": TWICE}, "mine.py:", "mine"),
    "rate with a default": (
        {"mine.py": TWICE.replace("sample_rate", "sample_rate=32000")}, "mine.py", "mine",
    ),
    "imported": (
        {"mine.py": "from other import separate", "other.py": TWICE}, "mine.py", "mine",
    ),
    "lambda": ({"mine.py": "f = lambda *all: 2 * all[0]"}, "mine.py:f", "<lambda>"),
    "partial": (
        {"mine.py": "from functools import partial\n"
         "def by(gain, mixture, query, sample_rate): return gain * mixture\n"
         "separate = partial(by, 2)"}, "mine.py", "partial",
    ),
    "decorated": (
        {"mine.py": f"import functools\n@functools.lru_cache\ndef f(): pass\n{TWICE}"},
        "mine.py", "mine",
    ),
    "the only class": ({"mine.py": MYSYSTEM}, "mine.py", "MySystem"),
    "one of two": ({"mine.py": MYSYSTEM + CLASS.format(name="B")}, "mine.py:MySystem", "MySystem"),
    "beside an imported one": (
        {"mine.py": f"from base import Base\n{MYSYSTEM}", "base.py": CLASS.format(name="Base")},
        "mine.py", "MySystem",
    ),
    "object": ({"mine.py": f"{MYSYSTEM}\nmine = MySystem()"}, "mine.py:mine", "MySystem"),
    "nested": (
        {"mine.py": f"class Outer:\n{MYSYSTEM.replace(chr(10), chr(10) + '    ')}"},
        "mine.py:Outer.MySystem", "MySystem",
    ),
    "factory": ({"mine.py": f"{MYSYSTEM}\ndef make(): return MySystem()"}, "mine.py:make", "make"),
    "factory of a function": (
        {"mine.py": f"def make(gain: int = 2):\n    {TWICE.replace('    ', '        ')}"
         "    return separate"},
        "mine.py:make", "make",
    ),
    "callable object": (
        {"mine.py": MYSYSTEM.replace("separate", "__call__") + "\nf = MySystem()"},
        "mine.py:f", "MySystem",
    ),
    "module": ({"mine.py": TWICE}, "mine:separate", "mine"),
    "package": ({"pack/__init__.py": MYSYSTEM}, "pack:MySystem", "MySystem"),
    "module of a package": (
        {"pack/__init__.py": "", "pack/sub/net.py": MYSYSTEM}, "pack.sub.net:MySystem", "MySystem",
    ),
    "relative imports": (
        {"pack/__init__.py": "", "pack/net.py": "from .other import separate",
         "pack/other.py": TWICE},
        "pack.net:separate", "net",
    ),
    "relative imports in a package": (
        {"pack/__init__.py": "", "pack/a/__init__.py": "", "pack/b.py": TWICE,
         "pack/a/net.py": "from ..b import separate"},
        "pack.a.net:separate", "net",
    ),
    "a module after the colon": (
        {"pack/__init__.py": "from . import net", "pack/net.py": TWICE}, "pack:net", "pack",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FOUND)
def test_a_system_is_found_by_what_is_typed(case: str) -> None:
    files, spec, name = FOUND[case]
    write(files)
    system = find(spec)
    assert (system.card.name, gain(system)) == (name, 2)
    assert (system.made_by.system, len(system.made_by.sha256)) == (spec, 64)


def test_what_stands_in_the_file_around_a_function_is_said_of_it() -> None:
    said = 'card = {"name": "Mine", "url": "https://x.org"}\nsample_rate = 16000\nmax_seconds = 2\n'
    write({"mine.py": said + TWICE})
    system = find("mine.py")
    assert (system.card.name, system.card.url) == ("Mine", "https://x.org")
    assert (system.declared.sample_rate, system.declared.max_seconds) == (16000, 2)
    assert find_system(Asked("mine.py", name="Other")).card.url == "https://x.org"


REFUSED: dict[str, tuple[dict[str, str], str, dict[str, str], str]] = {
    # files, what is typed, arguments, what is said
    "no file": ({}, "mine.py", {}, "mine.py: no such file"),
    "a folder": ({"mine.py/x": ""}, "mine.py", {}, "is a folder"),
    "too long": ({}, "x" * 300, {}, "no such system"),
    "too long for a file": ({}, "x" * 300 + ".py", {}, "too long"),
    "longer than any": ({}, "x:" + "y" * 6000, {}, "system must be text of at most 5000"),
    "an argument too long": ({"mine.py": MYSYSTEM}, "mine.py", {"gain": "1" * 6000}, "at most"),
    "not UTF-8": ({}, "min\udcff.py", {}, "cannot be recorded"),
    "a word": ({}, "mixtur", {}, "no such system (did you mean 'mixture'?)"),
    "no module": ({}, "nowhere:X", {}, "cannot import 'nowhere'"),
    "no package": ({}, "nowhere.net.deep:X", {}, "cannot import 'nowhere.net.deep'"),
    "no module in it": ({"pack/__init__.py": ""}, "pack.net:X", {}, "cannot import 'pack.net'"),
    "no such name": ({"mine.py": MYSYSTEM}, "mine.py:MySistem", {}, "(did you mean 'MySystem'?)"),
    "none inside": ({"mine.py": MYSYSTEM}, "mine.py:MySystem.x", {}, "mine.py has no 'MySystem.x'"),
    "nothing": ({"mine.py": "x = 1"}, "mine.py", {}, "nothing in this file can separate"),
    "two": (
        {"mine.py": MYSYSTEM + CLASS.format(name="B")}, "mine.py", {},
        "mine.py:MySystem, mine.py:B\n  to do:    name one of them",
    ),
    "a module without": ({"pack/__init__.py": "import json"}, "pack:json", {}, "nothing in this"),
    "not even a file": ({}, "math:pi", {}, "does not separate"),
    "a number": ({"mine.py": "x = 1"}, "mine.py:x", {}, "does not separate"),
    "factory of nothing": ({"mine.py": "def make(): pass"}, "mine.py:make", {}, "got:      None"),
    "unknown argument": ({"mine.py": MYSYSTEM}, "mine.py", {"gian": "2"}, "(did you mean 'gain'?)"),
    "needed argument": (
        {"mine.py": MYSYSTEM.replace("float = 2", "float")}, "mine.py", {}, "--arg gain=...",
    ),
    "needed by a function": (
        {"mine.py": TWICE.replace("sample_rate", "sample_rate, gain")}, "mine.py", {},
        "missing a required argument: 'gain'",
    ),
    "given already": ({"mine.py": TWICE}, "mine.py", {"query": "dog"}, "cannot be called as"),
    "made already": (
        {"mine.py": f"{MYSYSTEM}\nmine = MySystem()"}, "mine.py:mine", {"gain": "2"},
        "MySystem, which is made already, takes no arguments",
    ),
    "no number": (
        {"mine.py": MYSYSTEM}, "mine.py", {"gain": "loud"},
        "--arg gain has a wrong value\n  expected: float\n  got:      loud",
    ),
    "no value": ({"mine.py": MYSYSTEM}, "mine.py", {"gain": ""}, "got:      nothing"),
    "built in": ({}, "mixture", {"gain": "2"}, "takes no argument 'gain'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_explained(case: str) -> None:
    files, spec, arguments, words = REFUSED[case]
    write(files)
    with pytest.raises(UsageError) as caught:
        find(spec, **arguments)
    said = str(caught.value)
    assert words in said
    assert (caught.value.exit_code, "Traceback" in said, len(said.splitlines()) <= 5) == (
        2, False, True,
    )  # fmt: skip


def test_options_that_a_system_of_ones_own_does_not_have_are_refused() -> None:
    write({"mine.py": f"sample_rate = 16000\n{TWICE}"})
    for option, words in [
        ({"device": "cuda"}, "--arg device="),
        ({"python": "python3"}, "--python is for published systems"),
        ({"sample_rate": 8000}, "expected: 16000 Hz\n  got:      --rate 8000"),
        ({"without_negative": True}, "takes no negative query"),
        ({"name": "x" * 201}, "name must be text of at most 200"),
    ]:
        with pytest.raises(UsageError, match=words):
            find_system(Asked("mine.py", **option))


# ---- what it is made with -----------------------------------------------------

VALUES: dict[str, tuple[str, str, object]] = {
    # a parameter as it is written, what --arg says, what the system gets
    "plain": ("value", "2", "2"),
    "int": ("value: int", "2", 2),
    "float": ("value: float", "1e-3", 0.001),
    "bool": ("value: bool", "No", False),
    "text": ("value: str", "2", "2"),
    "Path": ("value: Path", "net.pt", Path("net.pt")),
    "pathlib.Path": ("value: pathlib.Path", "net.pt", Path("net.pt")),
    "int | None": ("value: int | None = None", "2", 2),
    "None | int": ("value: None | int = None", "2", 2),
    "Optional[int]": ("value: Optional[int] = None", "2", 2),
    "typing.Optional[float]": ("value: typing.Optional[float] = None", "2", 2.0),
    "Union[int, str]": ("value: Union[int, str]", "cuda", "cuda"),
    "int | str": ("value: int | str", "2", 2),
    "Optional[Path]": ("value: Optional[Path] = None", "x", Path("x")),
    "something else": ("value: list[int] = ()", "2", "2"),
    "default int": ("value=3", "2", 2),
    "default bool": ("value=True", "0", False),
    "default float": ("value=3.0", "2", 2.0),
    "default text": ("value='a'", "2", "2"),
    "default None": ("value=None", "2", "2"),
    "by name only": ("*, value: int", "2", 2),
    "keywords": ("**more", "2", "2"),
    "with =": ("value", "a=b", "a=b"),
    "empty": ("value", "", ""),
}
IMPORTS = "import pathlib, typing\nfrom pathlib import Path\nfrom typing import Optional, Union\n"


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
@pytest.mark.parametrize("case", VALUES)
def test_an_argument_is_what_the_system_says_it_is(case: str, future: str) -> None:
    parameter, text, expected = VALUES[case]
    kept = "more['value']" if parameter.startswith("**") else "value"
    use = f"    got.append({kept})\n"
    write({
        "made.py": f"{future}{IMPORTS}got = []\nclass Mine:\n  def __init__(self, {parameter}):\n"
        f"{use}  def separate(self, mixture, query, sample_rate): return 2 * mixture\n"
        f"def make({parameter}):\n{use}    return Mine({kept if '*' not in parameter else ''})\n",
        "asked.py": f"{future}{IMPORTS}got = []\n"
        f"def separate(mixture, query, sample_rate, {parameter}):\n{use}    return 2 * mixture\n",
    })  # fmt: skip
    specs = ["made.py:Mine", "asked.py", *(["made.py:make"] if "*" not in parameter else [])]
    for spec in specs:
        system = find(spec, value=text)
        assert gain(system) == 2
        got = sys.modules[f"{spec.partition('.')[0]}"].got  # type: ignore[attr-defined]
        assert (got[0], type(got[0])) == (expected, type(expected))
        assert system.made_by.arguments == {"value": text}


def test_arguments_are_read_from_the_command_line(
    suite: Suite, capsys: pytest.CaptureFixture[str]
) -> None:
    write({"mine.py": CLASS.format(name="Mine").replace("gain: float = 2", "checkpoint, gain=2")})
    Path("net.pt").write_text("weights")

    def separate(*options: str) -> tuple[int, str]:
        line = ["separate", "mine.py", "--suite", str(suite.path), "-o", "p", *options]
        return run(line), capsys.readouterr().err

    code, said = separate("--checkpoint", "net.pt")
    assert (code, "Traceback" in said) == (0, False)
    made_by = read_system(Path("p")).made_by
    assert made_by is not None
    assert made_by.arguments == {"checkpoint": "net.pt"}
    assert made_by.files.keys() == {"checkpoint"}
    # The same in other words.
    assert separate("--arg", "checkpoint=net.pt")[0] == 0
    assert separate("--arg", "checkpoint=net.pt", "--checkpoint", "net.pt")[0] == 0
    for options, words in [
        (("--arg", "checkpoint=net.pt", "--arg", "checkpoint=b"), "checkpoint is given twice"),
        (("--checkpoint", "net.pt", "--arg", "checkpoint=b"), "checkpoint is given twice"),
        (("--arg", "checkpoint"), "--arg is NAME=VALUE"),
        (("--arg", "=net.pt"), "--arg is NAME=VALUE"),
        (("--arg", ""), "--arg is NAME=VALUE"),
        ((), "--arg checkpoint=..."),
        (("--checkpoint", "net.pt", "--codec", "opus"), "no argument 'codec'"),
    ]:
        code, said = separate(*options)
        assert (code, words in said, "Traceback" in said) == (2, True, False), said


# ---- their code fails ---------------------------------------------------------

BROKEN: dict[str, tuple[str, list[str]]] = {
    "syntax": ("def separate(:\n", ["SyntaxError: invalid syntax", "def separate(:", "line 1"]),
    "indentation": (f"{TWICE}  x = 1\n", ["IndentationError: ", "x = 1", "line 3"]),
    "no Python at all": ("\0", ["null bytes"]),
    "missing module": ("import no_such\n", ["No module named 'no_such'", "import no_such"]),
    "its package": ("import pack\n", ["ValueError: two", "raise ValueError", "import pack"]),
    "helper": ("import helper\n", ["ZeroDivisionError: ", "1 / 0", 'helper.py", line 1']),
    "import": ("print('on import')\nraise OSError(5, 'io')\n", ["OSError: [Errno 5] io", "line 2"]),
    "exit on import": ("import sys\nsys.exit(0)\n", ["SystemExit: 0", "sys.exit(0)"]),
    "constructor": (
        "class A:\n  def __init__(self):\n    self.x = y\n  def separate(self, a, b, c): ...\n",
        ["NameError: name 'y'", "self.x = y"],
    ),
    "factory": ("def separate(a, b, c): exit(None)\n", ["SystemExit: None", "in separate"]),
    "separate": (TWICE.replace("2 *", "no *"), ["NameError: name 'no'", "return no * mixture"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_their_lines_are_shown_ours_are_not_and_nothing_is_written(
    case: str, suite: Suite, capsys: pytest.CaptureFixture[str]
) -> None:
    text, words = BROKEN[case]
    write({"mine.py": text, "helper.py": "x = 1 / 0\n"})
    write({"pack/__init__.py": "import importlib\nimportlib.import_module('pack.net')"})
    write({"pack/net.py": "raise ValueError('two')"})
    assert run(["separate", "mine.py", "--suite", str(suite.path), "-o", "p"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert all(word in err for word in words), err
    assert err.count("lassbench: ") == 1
    assert "lassbench/systems" not in err
    assert "mine.py" in err
    assert not list(Path.cwd().glob("p/*.wav"))
    if case not in ("separate", "factory"):
        assert not Path("p").exists()


# ---- what was run -------------------------------------------------------------

WORLD = {
    "net/mine.py": "import helper, lib.layers\nfrom installed import old\n" + MYSYSTEM,
    "net/helper.py": "x = 1\n",
    "net/lib/layers.py": "y = 1\n",
    "net/unused.py": "z = 1\n",
    "net/notes.txt": "n\n",
    "net/venv/lib/python3/site-packages/installed.py": "old = 1\n",
    "weights/a/net.pt": "1\n",
    "config.yaml": "1\n",
}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> None:
    write(WORLD)
    monkeypatch.syspath_prepend("net/venv/lib/python3/site-packages")


@pytest.mark.parametrize(
    ("name", "differs"),
    [
        ("net/mine.py", "sha256"),
        ("net/helper.py", "sha256"),
        ("net/lib/layers.py", "sha256"),
        ("weights/a/net.pt", "files"),
        ("config.yaml", "files"),
        ("net/unused.py", ""),
        ("net/notes.txt", ""),
        ("net/venv/lib/python3/site-packages/installed.py", ""),
    ],
)
def test_an_edit_of_what_it_is_made_of_is_seen_and_no_other(
    world: None, name: str, differs: str
) -> None:
    def made_by() -> MadeBy:
        text = {"gain": "2"}
        given = {"weights": "weights", "config": "config.yaml"}
        mine = Path("net/mine.py")
        if "weights" not in mine.read_text():
            mine.write_text(mine.read_text().replace("= 2", "= 2, weights='', config=''"))
        return find("net/mine.py", **text, **given).made_by

    before = made_by()
    os.utime(name, (1, 1))
    assert made_by() == before
    Path(name).write_text(Path(name).read_text() + "# edited\n")
    now = made_by().model_dump()
    assert [key for key, value in before.model_dump().items() if value != now[key]] == (
        [differs] if differs else []
    )


@pytest.mark.parametrize("name", ["pack/net.py", "pack/sub/layers.py", "beside.py"])
def test_of_a_package_everything_of_its_own_is_seen(name: str) -> None:
    write({
        "pack/__init__.py": "", "pack/net.py": f"from .sub import layers\nimport beside\n{TWICE}",
        "pack/sub/layers.py": "", "beside.py": "",
    })  # fmt: skip
    before = find("pack.net:separate").made_by
    assert find("pack.net:separate").made_by == before
    Path(name).write_text(Path(name).read_text() + "# edited\n")
    assert find("pack.net:separate").made_by != before


def test_neither_python_nor_installed_packages_are_anybodys_system(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({
        "mine.py": f"import of_python\n{TWICE}", "env/lib/python3.11/of_python.py": "",
        "env/lib/site-packages/net/__init__.py": "from .layers import separate",
        "env/lib/site-packages/net/layers.py": TWICE, "env/lib/site-packages/other.py": "",
    })  # fmt: skip
    monkeypatch.setattr(
        sysconfig, "get_paths", lambda: {"stdlib": str(here / "env/lib/python3.11")}
    )
    for folder in ("env/lib/python3.11", "env/lib/site-packages"):
        monkeypatch.syspath_prepend(here / folder)
    mine, net = find("mine.py").made_by, find("net:separate").made_by
    for name in ("env/lib/python3.11/of_python.py", "env/lib/site-packages/other.py"):
        Path(name).write_text("# edited")
    assert (find("mine.py").made_by, find("net:separate").made_by) == (mine, net)
    # But an installed system is itself.
    Path("env/lib/site-packages/net/layers.py").write_text(f"{TWICE}# edited")
    assert find("net:separate").made_by != net


def test_a_process_that_goes_on_runs_the_code_that_is_there_now() -> None:
    system = "import helper\n" + TWICE.replace("2", "helper.gain")
    for folder, first in (("a", 2), ("b", 30)):
        write({f"{folder}/mine.py": system, f"{folder}/helper.py": f"gain = {first}"})
    made = [find("a/mine.py"), find("b/mine.py")]
    write({"a/helper.py": "gain = 400"})
    made.append(find("a/mine.py"))
    assert [gain(one) for one in made] == [2, 30, 400]
    assert len({one.made_by.sha256 for one in made}) == 3
    # What the program had loaded itself is its own.
    sys.path.insert(0, ".")
    write({"pack/__init__.py": "", "pack/net.py": TWICE, "pack/mine.py": ""})
    mine = importlib.import_module("pack.mine")
    assert gain(find("pack.net:separate")) == 2
    write({"pack/net.py": TWICE.replace("2", "50")})
    assert gain(find("pack.net:separate")) == 50
    assert sys.modules.pop("pack.mine") is mine
    assert sys.modules.pop("pack") is not None


def test_an_argument_without_a_value_is_not_the_working_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write({"mine.py": TWICE.replace("sample_rate", "sample_rate, tag, net")})
    (tmp_path / "net.pt").write_text("1")
    monkeypatch.setenv("HOME", str(tmp_path))
    made_by = find("mine.py", tag="", net="~/net.pt").made_by
    assert made_by.files.keys() == {"net"}
    assert find("mine.py", tag="\0" * 9, net="~nobody/x" + "y" * 300).made_by.files == {}


def test_seed_rate_and_name_are_part_of_what_was_run() -> None:
    write({"mine.py": TWICE})
    made = [
        Asked("mine.py", **more)
        for more in ({}, {"seed": 0}, {"seed": 1}, {"sample_rate": 16000}, {"sample_rate": 8000})
    ]
    told = [find_system(one).made_by for one in made]
    assert all(one != other for n, one in enumerate(told) for other in told[:n])
    assert find_system(Asked("mine.py", name="B")).card != find("mine.py").card


def test_a_function_in_a_notebook_is_known_by_its_own_source(here: Path) -> None:
    def cell(number: int, text: str) -> Any:
        """The function that a notebook's cell defines: no file, its lines kept by IPython."""
        name = f"<ipython-input-{number}>"
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        module: dict[str, Any] = {"__name__": "notebook"}
        exec(compile(text, name, "exec"), module)
        return module["separate"]

    one, same, other = (cell(n, text) for n, text in enumerate([TWICE, TWICE, TWICE + "\n"[:0]]))
    edited = cell(3, TWICE.replace("2", "3"))
    known = [as_system(system).made_by for system in (one, same, other, edited)]
    assert known[0] == known[1] == known[2] != known[3]
    assert [one.system for one in known] == ["separate"] * 4
    linecache.clearcache()
    assert as_system(one).made_by == MadeBy(system="separate")  # nobody knows: it still runs
    assert gain(as_system(one)) == 2


def test_a_class_in_a_program_is_known_by_its_file() -> None:
    class Mine:
        def separate(self, mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
            return mixture

    def other(mixture: np.ndarray, query: str, sample_rate: int) -> np.ndarray:
        return mixture

    known = {as_system(one).made_by.sha256 for one in (Mine, Mine(), other)}
    assert known == {own_code.sha256_file(Path(__file__))}
    with pytest.raises(LassbenchError, match="needs arguments"):
        as_system(type("Needs", (Mine,), {"__init__": lambda self, weights: None}))


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    pairs = [(noise(2 * n), noise(2 * n + 1)) for n in range(3)]
    return write_by_hand(tmp_path_factory.mktemp("suites") / "by-hand", pairs)


# ---- where their code may stand ------------------------------------------------------


def test_a_file_of_a_package_is_loaded_as_the_package_has_it(here: Path) -> None:
    (here / "pack/sub").mkdir(parents=True)
    for folder in ("pack", "pack/sub"):
        (here / folder / "__init__.py").touch()
    (here / "pack/gains.py").write_text("GAIN = 3\n")
    (here / "pack/sub/net.py").write_text(
        "from ..gains import GAIN\n\n\ndef separate(m, q, r):\n    return GAIN * m\n"
    )
    system = find_system(Asked("pack/sub/net.py"))
    assert system.card.name == "net"
    known = system.made_by.sha256
    (here / "pack/gains.py").write_text("GAIN = 4\n")
    assert find_system(Asked("pack/sub/net.py")).made_by.sha256 != known


def test_a_helper_in_another_folder_counts(here: Path, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/far_helper.py").write_text("def gain():\n    return 2\n")
    (here / "mine.py").write_text(
        f"import sys\nsys.path.insert(0, {str(tmp_path / 'lib')!r})\nfrom far_helper import gain\n"
        "\n\ndef separate(m, q, r):\n    return gain() * m\n"
    )
    known = find_system(Asked("mine.py")).made_by.sha256
    assert find_system(Asked("mine.py")).made_by.sha256 == known
    (tmp_path / "lib/far_helper.py").write_text("def gain():\n    return 4\n")
    assert find_system(Asked("mine.py")).made_by.sha256 != known


def test_a_child_process_can_import_what_it_is_given(here: Path) -> None:
    (here / "parallel_system.py").write_text(
        "import multiprocessing\n\n\ndef halved(x):\n    return x / 2\n\n\n"
        "def separate(m, q, r):\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        return pool.map(halved, [m])[0]\n"
    )
    system = find_system(Asked("parallel_system.py"))
    (found,) = system.separate([np.ones(8, "f4")], [Query("q", "m", "x")], 8000)
    assert found.tolist() == [0.5] * 8


def test_what_stands_beside_a_function_counts_from_python_too(here: Path) -> None:
    (here / "declared.py").write_text(
        'sample_rate = 16000\ncard = {"name": "Declared"}\n\n\n'
        "def separate(m, q, r):\n    return m\n"
    )
    sys.path.insert(0, str(here))
    try:
        system = as_system(importlib.import_module("declared").separate)
    finally:
        sys.path.remove(str(here))
        del sys.modules["declared"]
    assert (system.card.name, system.declared.sample_rate) == ("Declared", 16000)


def test_a_tilde_is_the_home(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    (here / "homely.py").write_text(
        "class Homely:\n    def __init__(self, weights):\n"
        "        self.text = open(weights).read()\n"
        "    def separate(self, m, q, r):\n        return m\n"
    )
    (here / "w.txt").write_text("mine")
    system = find_system(Asked("~/homely.py", (("weights", "~/w.txt"),)))
    assert system.separator.text == "mine"
    assert set(system.made_by.files) == {"weights"}


@pytest.mark.parametrize("spec", ["mixture", "mine.py", "command:cp {mixture} {estimate}"])
def test_a_device_that_nothing_would_heed_is_refused(here: Path, spec: str) -> None:
    (here / "mine.py").write_text("def separate(m, q, r):\n    return m\n")
    with pytest.raises(UsageError, match="--device is for checkpoints and published systems"):
        find_system(Asked(spec, device="cuda"))

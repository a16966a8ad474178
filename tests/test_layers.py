"""The package has one direction: a stage imports only what stands to its left.

No two files import each other, by whatever way round and however late.  Files and
functions stay short enough to be read, and no two files have one name.
"""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "lassbench"

#: What any room may import, unless :data:`ONLY` says otherwise; "" is ``lassbench`` itself.
SHARED = {
    *("", "account", "cards", "checked", "chunking", "csv_files", "errors", "files", "hub"),
    *("interrupts", "parallel", "plain_text", "progress", "records", "resampling"),
    *("audio", "containers", "output_folders", "yaml_files"),
    # A picture of samples, which a training log shows too.
    "pictures/spectrogram",
}

#: Left to right.  Names in one group may import each other.
STAGES: list[set[str]] = [
    {"metrics"},
    {"benchmark"},
    {"corpora"},
    {"dataset"},
    {"models"},
    {"training"},
    {"suites"},
    {"systems"},
    {"scores"},
    {"pictures"},
    {"leaderboard"},
    {"fetch", "annotate"},
    {"export_examples"},
    {"cli"},
    {"__main__"},
]
ORDER = {name: level for level, names in enumerate(STAGES) for name in names}

#: Files that are rooms of their own: a picture of samples, and what scores make of rows.
OF_ROWS = {
    f"scores/{name}"
    for name in (*("rows", "statistics", "summary", "parquet_bounds", "score_file", "comparison"),)
}
APART = {"pictures/spectrogram", *OF_ROWS}

#: Rooms that see less than their place in the row would let them, shared files included.
ONLY = {
    # Arrays: no audio file, no dataset, no table.
    "metrics": {"errors", "resampling"},
    "pictures/spectrogram": set[str](),
    # Rows: no audio, no suite.
    **{
        one: {"cards", "checked", "csv_files", "errors", "files", "records", *OF_ROWS}
        for one in OF_ROWS
    },
    # Entries: no audio, no models, no scoring.
    "leaderboard": {
        *("", "cards", "checked", "csv_files", "errors", "files", "hub", "output_folders"),
        *("parallel", "plain_text", "records", "yaml_files", *OF_ROWS),
    },
    "fetch": {*SHARED, "benchmark", "corpora", "dataset"},
}

#: Rooms that import torch, and files elsewhere that do, all of them late.
TORCH_ROOMS = {"models", "training"}
TORCH_FILES = {
    "annotate/agreement.py",
    "fetch/doctor.py",
    "metrics/clap.py",
    "systems/published/audiosep_worker.py",
    "systems/published/clapsep_worker.py",
    "systems/published/serve.py",
}

#: What only these files use: there is one reader a kind of file.
ONLY_IN = {
    "csv": {"csv_files.py"},
    "yaml": {"yaml_files.py"},
    "json.loads": {
        "files.py",
        # A request's body is bounded by its server, and a browser may send half an emoji.
        "annotate/annotator.py",
        # There is no lassbench where these run.
        "systems/published/clapsep_worker.py",
        "systems/published/inventory.py",
        "systems/published/serve.py",
    },
    "json.load": set[str](),
}

#: Methods that list a folder, and the files that call them.  The others ask
#: :func:`lassbench.files.listed`, which passes over what operating systems leave.
LISTING = {"iterdir", "glob", "rglob", "scandir", "listdir", "walk"}
LISTERS = {"files.py", "output_folders.py", "corpora/audio_folders.py", "fetch/sources.py"}

#: Files that import by a computed name, which no check can follow: tables of a
#: package's own modules, and a user's system.
COMPUTED_IMPORTS = {
    "__init__.py",
    "cli/__init__.py",
    "corpora/__init__.py",
    "systems/own_code.py",
    "systems/published/inventory.py",
}

#: Names that several files have, and how many: this may only shrink.  The files of
#: ``cli/`` are named for their verbs and do not count.
DOUBLES = {
    "checks.py": 2,
    "loop.py": 2,
    "report.py": 2,
    "store.py": 2,
}

#: Lines of a file, and of a function's body without its docstring.
LONGEST_FILE = 700
LONGEST_FUNCTION = 55

#: What no help text may wait for.
SLOW = {
    *("av", "dask", "datasets", "matplotlib", "numba", "numpy", "pandas", "pyarrow", "pydantic"),
    *("rich", "scipy", "starlette", "torch", "transformers", "yt_dlp"),
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


# ---------------------------------------------------------------------------
# Reading a package's imports
# ---------------------------------------------------------------------------


def parsed(package: Path) -> dict[str, ast.Module]:
    """Path below the package -> its syntax tree."""
    return {
        path.relative_to(package).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(package.rglob("*.py"))
    }


def dotted(package: str, file: str) -> str:
    """``annotate/store.py`` -> ``lassbench.annotate.store``; an ``__init__.py`` is its package."""
    return ".".join([package, *Path(file).with_suffix("").parts]).removesuffix(".__init__")


def imports(tree: ast.AST, home: str, *, late: bool) -> Iterator[tuple[str, int]]:
    """(dotted name, line) of each thing imported; those inside functions only if ``late``.

    ``from a import b`` is ``a.b``, which may be a module or a name in ``a``;
    ``from . import b`` is ``home.b``.  What stands under ``if TYPE_CHECKING:`` never
    runs and is left out.
    """
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            # `if not TYPE_CHECKING:` runs its body, `if TYPE_CHECKING:` its else.
            waiting += node.body if isinstance(node.test, ast.UnaryOp) else node.orelse
            continue
        if isinstance(node, Function) and not late:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = home.split(".")[: home.count(".") + 2 - node.level] if node.level else []
            place = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((f"{place}.{alias.name}", node.lineno) for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def imports_of(package: Path, file: str, tree: ast.AST, *, late: bool) -> list[tuple[str, int]]:
    home = ".".join([package.name, *Path(file).parent.parts])
    return sorted(imports(tree, home, late=late))


def graph_of(package: Path) -> dict[str, set[str]]:
    """File -> the package's files that it imports anywhere, functions included.

    A name leads to the file that holds it.  That Python runs the ``__init__.py`` of
    every package above it first does not count: it may re-export its own modules.
    A module that imports from its own package's ``__init__.py`` does count.
    """
    trees = parsed(package)
    files = {dotted(package.name, file): file for file in trees}
    graph: dict[str, set[str]] = {}
    for file, tree in trees.items():
        graph[file] = set()
        for name, _ in imports_of(package, file, tree, late=True):
            while name and name not in files:
                name = name.rpartition(".")[0]
            if name and files[name] != file:
                graph[file].add(files[name])
    return graph


def circle_of(package: Path) -> list[str]:
    """Files of which each imports the next, the first one again at the end; or none."""
    try:
        graphlib.TopologicalSorter(graph_of(package)).prepare()
    except graphlib.CycleError as error:
        # The graph gives what a file imports, the error the opposite way.
        return list(reversed(error.args[1]))
    return []


def body_lines(function: Function) -> int:
    """Lines from a function's first statement to its last, the docstring left out."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def room(file: str) -> str:
    """The folder or top-level module that ``file`` is, or is in; or itself, if it is apart."""
    whole = Path(file).with_suffix("").as_posix()
    first = whole.split("/")[0]
    return whole if whole in APART else "" if first == "__init__" else first


# ---------------------------------------------------------------------------
# The reading itself, on a small package
# ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "members"),
    [
        (
            {
                "a.py": "import small.b",
                "b.py": "from small.deep import c",
                "deep/__init__.py": "",
                "deep/c.py": "from small.a import x",
            },
            {"a.py", "b.py", "deep/c.py"},
        ),
        (
            {"a.py": "from small import b", "b.py": "def f():\n    from small.a import x"},
            {"a.py", "b.py"},
        ),
        ({"a.py": "from . import b", "b.py": "from .a import x"}, {"a.py", "b.py"}),
        (
            {
                "deep/__init__.py": "from small.deep.a import x",
                "deep/a.py": "from small.deep import y",
            },
            {"deep/__init__.py", "deep/a.py"},
        ),
        (
            {
                "a.py": "from small import b",
                "b.py": "if typing.TYPE_CHECKING:\n    pass\nelse:\n    from small import a",
            },
            {"a.py", "b.py"},
        ),
        (
            {
                "a.py": "from small import b",
                "b.py": "if TYPE_CHECKING:\n    from small.a import x",
            },
            set(),
        ),
        (
            {
                "deep/__init__.py": "from small.deep.a import x\nfrom small.deep.b import y",
                "deep/a.py": "from small.deep import b",
                "deep/b.py": "",
            },
            set(),
        ),
    ],
    ids=["three files", "late", "relative", "own package", "else", "types only", "re-export"],
)
def test_a_circle_is_found_where_there_is_one(
    files: dict[str, str], members: set[str], tmp_path: Path
) -> None:
    package = tmp_path / "small"
    for name, text in {"__init__.py": "", **files}.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    assert set(circle_of(package)) == members


def test_a_functions_lines_are_counted_without_its_docstring() -> None:
    (function,) = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    x = (\n1)\n').body
    assert isinstance(function, ast.FunctionDef)
    assert body_lines(function) == 2


# ---------------------------------------------------------------------------
# The package
# ---------------------------------------------------------------------------

TREES = parsed(PACKAGE)


def test_every_room_has_its_place() -> None:
    rooms = {room(file) for file in TREES} - SHARED - APART
    assert rooms <= set(ORDER), f"say in STAGES where {sorted(rooms - set(ORDER))} belong"


def test_stages_import_only_to_their_left() -> None:
    wrong = []
    for file, tree in TREES.items():
        here = room(file)
        for name, line in imports_of(PACKAGE, file, tree, late=True):
            if name.split(".")[0] != "lassbench":
                continue
            there = room("/".join([*name.split("."), ""][1:3]))
            there = "" if there.startswith("__") else there
            if there == here:
                continue
            if here in ONLY:
                allowed = there in ONLY[here]
            else:
                level = ORDER.get(there.split("/")[0], 99)
                allowed = there in SHARED or level <= ORDER.get(here, -1)
            if not allowed:
                wrong.append(f"{file}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_no_files_import_each_other() -> None:
    circle = circle_of(PACKAGE)
    assert not circle, " -> ".join(circle)


def test_imports_by_computed_names_are_known() -> None:
    computed = {
        file
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] in {"import_module", "__import__"}
    }
    assert computed == COMPUTED_IMPORTS


@pytest.mark.parametrize("late", [False, True])
def test_torch_is_imported_by_models_and_training_alone(late: bool) -> None:
    found = {
        file
        for file, tree in TREES.items()
        for name, _ in imports_of(PACKAGE, file, tree, late=late)
        if name.split(".")[0] == "torch" and room(file) not in TORCH_ROOMS
    }
    assert found == (TORCH_FILES if late else set())


@pytest.mark.parametrize("what", ONLY_IN)
def test_one_reader_a_kind_of_file(what: str) -> None:
    found = set()
    for file, tree in TREES.items():
        imported = {f"{name}." for name, _ in imports_of(PACKAGE, file, tree, late=True)}
        called = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        if what in called or any(name.startswith(f"{what}.") for name in imported):
            found.add(file)
    assert found == ONLY_IN[what]


def test_folders_are_listed_in_one_way() -> None:
    found = {
        file
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in LISTING
    }
    assert found == LISTERS


@pytest.mark.parametrize("module", ["lassbench", "lassbench.cli"])
def test_the_front_door_is_light(module: str) -> None:
    code = (
        f"import sys, {module}\n"
        f"heavy = {SLOW!r} & set(sys.modules)\n"
        "sys.exit(f'loads {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_verb_loads_anything_heavy_to_show_its_help() -> None:
    from lassbench.cli import VERBS

    code = (
        "import sys\n"
        "from lassbench.cli import run\n"
        f"for verb in {list(VERBS)!r}:\n"
        "    assert run([verb, '--help']) == 0, verb\n"
        f"heavy = {SLOW!r} & set(sys.modules)\n"
        "sys.exit(f'loads {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_functions_and_modules_stay_readable() -> None:
    too_long = []
    for file, tree in TREES.items():
        lines = len((PACKAGE / file).read_text(encoding="utf-8").splitlines())
        if lines > LONGEST_FILE:
            too_long.append(f"{file}: {lines} lines, at most {LONGEST_FILE}")
        too_long += [
            f"{file}:{node.lineno} {node.name}: {body_lines(node)} lines, at most "
            f"{LONGEST_FUNCTION}"
            for node in ast.walk(tree)
            if isinstance(node, Function) and body_lines(node) > LONGEST_FUNCTION
        ]
    assert not too_long, "\n".join(too_long)


def test_no_two_files_have_one_name() -> None:
    counts = Counter(Path(file).name for file in TREES if room(file) != "cli")
    found = {name: count for name, count in counts.items() if count > 1 and name != "__init__.py"}
    new = {name for name, count in found.items() if count > DOUBLES.get(name, 1)}
    gone = {name for name, count in DOUBLES.items() if found.get(name, 1) < count}
    assert not new, f"give one of the files called {sorted(new)} another name"
    assert not gone, f"fewer files have these names now, say so in DOUBLES: {sorted(gone)}"

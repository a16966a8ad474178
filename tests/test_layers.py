"""The package has one direction: a stage imports only what stands to its left."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "lassbench"

#: What anybody may import.
SHARED = {
    "",
    "errors",
    "records",
    "audio",
    "audio_ffmpeg",
    "compiling",
    "files",
    "config",
    "parallel",
    "progress",
    "resampling",
    "tables",
}

#: Left to right.  Names in one group may import each other.
STAGES: list[set[str]] = [
    {"metrics"},
    {
        *("corpora", "manifests", "selection", "ontology", "definitions"),
        *("metadata", "metadata_readers"),
    },
    {"fetch", "dataset"},
    {"mixtures"},
    {"suites", "freezing", "suites_external", "benchmarks"},
    {"models", "training", "annotate"},
    {"predictions", "separators", "userfiles"},
    {"statistics", "scores"},
    {"scoring", "inspection", "report"},
    {"leaderboard"},
    {"examples", "demo"},
    {"cli"},
    {"__main__"},
]
ORDER = {name: level for level, names in enumerate(STAGES) for name in names}

#: Rooms that see less than their place in the row would let them.
ONLY = {
    "metrics": {"metrics", "compiling"},
    "leaderboard": {"leaderboard", "scores", "statistics"},
    "statistics": set(),
}

#: Too heavy to be loaded by importing anything else than the rooms that need them.
HEAVY = {"torch": {"models", "training"}}

#: What no help text may wait for.
SLOW = {
    *("av", "dask", "datasets", "matplotlib", "numba", "numpy", "pandas", "pyarrow", "pydantic"),
    *("rich", "scipy", "starlette", "torch", "transformers", "yt_dlp"),
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "" if parts[0] == "__init__" else parts[0]


def imports(tree: ast.AST, *, everywhere: bool) -> list[tuple[str, int]]:
    """(dotted name, line) of each import; those inside functions only if ``everywhere``."""
    found: list[tuple[str, int]] = []
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not everywhere:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module == "lassbench":
                found += [(f"lassbench.{alias.name}", node.lineno) for alias in node.names]
            else:
                found.append((node.module, node.lineno))
        stack += list(ast.iter_child_nodes(node))
    return found


def test_every_room_has_its_place() -> None:
    rooms = {room(path) for path in modules()} - SHARED
    assert rooms <= set(ORDER), f"say in STAGES where {sorted(rooms - set(ORDER))} belong"


def test_stages_import_only_to_their_left() -> None:
    wrong = []
    for path in modules():
        here = room(path)
        for name, line in imports(ast.parse(path.read_text()), everywhere=True):
            if not name.startswith("lassbench."):
                continue
            there = name.split(".")[1]
            if there == here or there in SHARED or there.startswith("__"):
                continue
            allowed = ONLY.get(here)
            bad = (
                there not in allowed
                if allowed is not None
                else ORDER.get(there, 99) > ORDER.get(here, -1)
            )
            if bad:
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_only_models_and_training_import_torch_at_the_top() -> None:
    wrong = []
    for path in modules():
        for name, line in imports(ast.parse(path.read_text()), everywhere=False):
            top = name.split(".")[0]
            # A file called *torch*.py is loaded only by those who ask for it.
            if top in HEAVY and room(path) not in HEAVY[top] and "batched" not in path.name:
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


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
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}\nafter {time.perf_counter() - start:.2f} s"


def test_functions_and_modules_stay_readable() -> None:
    too_long = []
    for path in modules():
        text = path.read_text()
        if len(text.splitlines()) > 700:
            too_long.append(f"{path.relative_to(PACKAGE)}: {len(text.splitlines())} lines")
    assert not too_long, "\n".join(too_long)

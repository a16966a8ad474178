"""``python -m tests.bench NAME [ARGUMENTS]``: run one benchmark; without a name, list them.

A benchmark is a module in this folder with a docstring, whose first line says
what it measures, and ``main(arguments: list[str]) -> None``.  Each measures
lassbench and its peer in the same run and prints a table.
"""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

from lassbench.errors import did_you_mean

FOLDER = Path(__file__).parent


def names() -> dict[str, str]:
    """Each benchmark and what it measures."""
    found = {}
    for path in sorted(FOLDER.glob("[!_]*.py")):
        words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        found[path.stem] = words.split("\n", maxsplit=1)[0]
    return found


def main(arguments: list[str]) -> int:
    """Run the benchmark that ``arguments`` name."""
    known = names()
    if not arguments or arguments[0] in {"-h", "--help"}:
        width = max(map(len, known), default=0)
        print("usage: python -m tests.bench NAME [ARGUMENTS]\n")
        for name, words in known.items():
            print(f"  {name:{width}}  {words}")
        return 0
    name, *rest = arguments
    if name not in known:
        print(f"no benchmark {name!r}{did_you_mean(name, known)}", file=sys.stderr)
        return 2
    importlib.import_module(f"tests.bench.{name}").main(rest)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

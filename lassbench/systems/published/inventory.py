"""What is installed in another environment: run there, as ``serve.py`` is.

    PYTHON inventory.py '{"packages": [...], "modules": [...], "from_hub": [...]}'

It answers with one line, ``{"lassbench": "ready", "python": VERSION, "versions": {...},
"broken": {...}, "device": TEXT, "cached": [...]}``: versions of the packages that are there,
modules that are there and cannot be imported, what torch computes on, and which of the
Hub's repositories have been fetched.  Python 3.8 or later, standard library alone.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def main(asked: dict[str, list[str]]) -> dict[str, Any]:
    """What there is of what is asked for."""
    found: dict[str, Any] = {"lassbench": "ready", "python": platform.python_version()}
    try:
        from importlib import metadata
    except ImportError:  # before Python 3.8: its version is the answer
        return found
    found["versions"], found["broken"] = {}, {}
    for name in asked["packages"]:
        try:
            found["versions"][name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    for name in asked["modules"]:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                found["broken"][name] = str(error)
        except Exception as error:
            found["broken"][name] = f"{type(error).__name__}: {error}"
    torch = sys.modules.get("torch")
    if torch is not None and "torch" not in found["broken"]:
        on_gpu = torch.cuda.is_available()
        found["device"] = torch.cuda.get_device_name() if on_gpu else ""
    found["cached"] = [name for name in asked["from_hub"] if _fetched(name)]
    return found


def _fetched(repository: str) -> bool:
    """Whether files of ``repository`` are in the Hub's cache, or in a folder of that name here."""
    if Path(repository).is_dir():
        return True
    try:
        from huggingface_hub import try_to_load_from_cache
    except Exception:
        return False
    return isinstance(try_to_load_from_cache(repository, "config.json"), str)


if __name__ == "__main__":
    # What modules print while they are imported is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]
    answers.write(json.dumps(main(json.loads(sys.argv[1]))) + "\n")

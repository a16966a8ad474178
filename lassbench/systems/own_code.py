"""A user's own code: loading it, and the hash of all of it that is known.

What it opens by itself, and what it imports only while it separates, is not.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from lassbench.errors import UsageError
from lassbench.files import file_fault, listed, sha256_bytes, sha256_file

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = {"site-packages", "dist-packages"}


def load_file(path: Path) -> ModuleType:
    """The module in a file: as its package has it, where one is around it.

    Raises
    ------
    UsageError
        If there is no such file.
    """
    if fault := file_fault(path):
        raise UsageError(fault, where=path, fix="check the path")
    path = path.resolve()
    root, name = path.parent, path.stem
    while (root / "__init__.py").is_file():
        root, name = root.parent, f"{root.name}.{name}".removesuffix(".__init__")
    _ROOTS[root] = _forget()
    sys.path.insert(0, str(root))
    if root != path.parent:
        return importlib.import_module(name)
    # By its own name, which a child process can import; not by one that another module has.
    taken = name in sys.modules or name in sys.stdlib_module_names or not name.isidentifier()
    name = f"lassbench_users_{name}" if taken else name
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_module(name: str, spec: str) -> ModuleType:
    """The module that is called ``name``, installed or in the working folder.

    Raises
    ------
    UsageError
        If there is none; ``spec`` is where it was named.
    """
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    before = _forget()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise  # something that it imports is not there
        raise UsageError(
            f"cannot import {name!r}: {error}",
            where=spec,
            fix="install it, run from the folder that holds it, or name the file (my_system.py)",
        ) from error
    finally:
        top = sys.modules.get(name.partition(".")[0])
        if top and getattr(top, "__file__", None):
            _ROOTS[_root(top)] = before


def hashes(arguments: Mapping[str, str]) -> dict[str, str]:
    """The hashes of those arguments that are files or folders."""
    return {name: hashed for name, text in arguments.items() if (hashed := _content_sha256(text))}


def _content_sha256(text: str) -> str:
    if not text:  # as a path it would be the working folder
        return ""
    try:
        path = Path(text).expanduser()
        if path.is_file():
            return sha256_file(path)
        inside = [one for one in listed(path, "**/*") if one.is_file()] if path.is_dir() else []
        return files_sha256(path, inside) if inside else ""
    except (OSError, ValueError, RuntimeError):  # a text that is no path, or no home of ours
        return ""


def files_sha256(root: Path, found: Iterable[Path]) -> str:
    """One hash of some files' content and of their names as ``root`` sees them."""
    lines = sorted(f"{os.path.relpath(one, root)} {sha256_file(one)}\n" for one in found)
    return sha256_bytes("".join(lines).encode())


def sources_sha256(module: ModuleType) -> str:
    """The hash of a module's source and of what of the user's own it has loaded.

    That is what lies beside it, and what its names lead to, wherever that is.
    """
    file = getattr(module, "__file__", None)
    if not file:
        return ""
    found = {**_below(_root(module)), **_below(Path("/"), _reached(module))}
    return files_sha256(_root(module), {Path(file).resolve(), *found.values()})


def _reached(module: ModuleType) -> dict[str, ModuleType]:
    """The modules that the names in ``module`` lead to, and the names in those."""
    found, waiting = {module.__name__: module}, [module]
    while waiting:
        for value in list(vars(waiting.pop()).values()):
            kind = "__name__" if isinstance(value, ModuleType) else "__module__"
            name = getattr(value, kind, None)
            if isinstance(name, str) and name not in found and name in sys.modules:
                found[name] = sys.modules[name]
                if _below(Path("/"), {name: found[name]}):
                    waiting.append(found[name])
    return found


def _root(module: ModuleType) -> Path:
    """The folder whose modules are a system's own code: where its file or its package stands.

    Of an installed package that is the package itself.
    """
    top = sys.modules.get(module.__name__.partition(".")[0], module)
    place = Path(next(iter(getattr(top, "__path__", ())), module.__file__ or "")).resolve()
    return place if place.parent.name in _INSTALLED and place.is_dir() else place.parent


def _below(root: Path, modules: Mapping[str, Any] = sys.modules) -> dict[str, Path]:
    """Loaded modules whose source is below ``root``, and neither Python's nor installed."""
    python = sysconfig.get_paths()["stdlib"]
    others = tuple(f"{os.path.realpath(one)}{os.sep}" for one in (python, _PACKAGE))
    found: dict[str, Path] = {}
    for name, one in list(modules.items()):
        file = getattr(one, "__file__", None) or ""
        # To follow the links of thousands takes its time: what is installed is known by its name.
        installed = any(f"{os.sep}{part}{os.sep}" in file for part in _INSTALLED)
        if not file.endswith(".py") or (installed and not file.startswith(f"{root}{os.sep}")):
            continue
        path = Path(os.path.realpath(file))
        if name.startswith("__") or str(path).startswith(others) or not path.is_relative_to(root):
            continue
        if path.is_file() and not _INSTALLED & {root.name, *path.relative_to(root).parts}:
            found[name] = path
    return found


#: Where this process has found its last system, and the modules that it had before.
_ROOTS: dict[Path, frozenset[str]] = {}


def _forget() -> frozenset[str]:
    """Forget what the system that was found last has loaded; the modules that are left.

    A process that goes on, a cluster's worker, would else take an old ``helper.py``, or
    another system's.
    """
    for root, before in _ROOTS.items():
        packages = {name.partition(".")[0] for name in _below(root) if name not in before}
        for name in [one for one in sys.modules if one not in before]:
            if name.partition(".")[0] in packages:
                del sys.modules[name]
    _ROOTS.clear()
    importlib.invalidate_caches()
    return frozenset(sys.modules)


def source_sha256(kind: Any) -> str:
    """The hash of the file that a class or a function stands in, or of its own source."""
    if (getattr(kind, "__module__", None) or "").startswith("lassbench."):
        return ""  # its version says it
    try:
        return sha256_bytes((inspect.getsource(inspect.getmodule(kind) or kind)).encode())
    except (OSError, TypeError):
        try:
            return sha256_bytes(inspect.getsource(kind).encode())  # in a notebook
        except (OSError, TypeError):
            return ""

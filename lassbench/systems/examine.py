"""What a published system lacks: in its own environment, in its repository, among its files."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lassbench.errors import LassbenchError, one_line
from lassbench.files import parse_json
from lassbench.records import Check
from lassbench.systems.process_group import ProcessGroup
from lassbench.systems.processes import commit_of, find_python
from lassbench.systems.published import HERE, Published

#: Seconds that the other environment has to answer; torch alone may take a minute to import.
TIMEOUT_S = 300.0

#: What is imported there, to see whether it can be: compiled parts that have to fit each other.
_MODULES = ("numpy", "soundfile", "torch", "torchaudio", "torchvision")


def examine(
    published: Published,
    *,
    python: str,
    options: Mapping[str, str],
    timeout_s: float = TIMEOUT_S,
) -> list[Check]:
    """Look at everything that ``published`` needs; only what is wrong says how to mend it.

    Parameters
    ----------
    python
        The interpreter of its own environment: a path, or a name found on ``PATH``.
    options
        What it would be made with; those that are missing are told of.
    timeout_s
        Seconds that the interpreter has to answer.

    Raises
    ------
    UsageError
        If it has no such option.
    """
    paths = published.completed(options)
    found = _inventory(published, python, paths.get("repo", ""), timeout_s)
    there = [found] if isinstance(found, Check) else _environment(published, python, found)
    return [*there, *_paths(published, paths)]


def _inventory(
    published: Published, python: str, repository: str, timeout_s: float
) -> dict[str, Any] | Check:
    """What ``inventory.py`` says there, or what kept it from saying anything."""
    program, fault = find_python(python)
    if fault:
        mend = f"name the interpreter, such as {Path(python, 'bin', 'python')}"
        return Check("python", "fail", f"{one_line(python)}: {fault}", mend)
    asked = {
        "packages": list(published.packages),
        "modules": _MODULES,
        "from_hub": published.from_hub,
    }
    command = [program, "-u", str(HERE / "inventory.py"), json.dumps(asked)]
    cwd = Path(repository) if repository and Path(repository).is_dir() else None
    mend = f"name a Python of 3.8 or later; `{shlex.join([program, '-V'])}` should say which it is"
    try:
        process = ProcessGroup(command, cwd=cwd, talks=True)
    except OSError as error:
        return Check("python", "fail", f"{python} does not start: {error.strerror}", mend)
    try:
        line = process.answer(timeout_s)
    except TimeoutError:
        return Check("python", "fail", f"{python} did not answer in {timeout_s:g} s", mend)
    finally:
        process.end()
    try:
        found = parse_json((line or b"").decode(), where=python)
        version = {"python": str(found["python"])}
        return {"versions": {}, "broken": {}, "cached": [], **found, **version}
    except (LassbenchError, UnicodeDecodeError, KeyError, TypeError):
        said = "; ".join(process.last_lines[-3:]) or process.how_it_ended
        return Check("python", "fail", f"{python} gave no answer: {one_line(said)}", mend)


def _python(published: Published, python: str, version: str) -> Check:
    first, last = published.pythons
    mend = f"make an environment with Python {last} for {published.name}"
    if _older(version, "3.8"):
        return Check("python", "fail", f"{version}, which is too old", mend)
    if _older(version, first) or _older(last, ".".join(version.split(".")[:2])):
        told = f"{version}; the packages' versions are built for Python {first} to {last}"
        return Check("python", "warn", told, mend)
    return Check("python", "ok", f"{version}, {python}")


def _environment(published: Published, python: str, found: dict[str, Any]) -> Iterator[Check]:
    check = _python(published, python, found["python"])
    yield check
    if check.grade == "fail":
        return
    install = f"{shlex.quote(python)} -m pip install"
    fine, lacking = [], []
    for name, kept in published.packages.items():
        wanted = f"{name}=={kept[0]}" if kept else name
        here = found["versions"].get(name)
        first, why = published.refused.get(name, ("", ""))
        if here is None:
            lacking.append(wanted)
        elif first and not _older(here, first):
            yield Check(name, "fail", f"{here}: {why}", f"{install} {wanted}")
        elif kept and here not in kept:
            told = f"{here}; known to work: {', '.join(kept)}"
            yield Check(name, "warn", told, f"{install} {wanted}")
        else:
            fine.append(f"{name} {here}")
    if fine:
        yield Check("packages", "ok", ", ".join(fine))
    if lacking:
        told = f"not installed: {', '.join(one.partition('=')[0] for one in lacking)}"
        yield Check("packages", "fail", told, f"{install} {' '.join(lacking)}")
    for name, reason in found["broken"].items():
        told = f"cannot be imported: {one_line(reason)}"
        yield Check(name, "fail", told, f"{install} --force-reinstall {name}")
    if found.get("device"):
        yield Check("device", "ok", one_line(found["device"]))
    elif "device" in found:
        mend = "install a CUDA build of torch over there (pytorch.org), if there is a card"
        yield Check("device", "warn", "no CUDA device: it would compute on the CPU", mend)
    if missing := [name for name in published.from_hub if name not in found["cached"]]:
        told = f"not fetched yet: {', '.join(missing)}"
        mend = "start the system once with a network: its code fetches them from the Hub"
        yield Check("tokenizers", "warn", told, mend)


def _paths(published: Published, paths: Mapping[str, str]) -> Iterator[Check]:
    faults = {fault.kind: fault for fault in published.faults(paths)}
    for name, option in published.options.items():
        if name not in paths:
            if not option.default:
                mend = f"{published.as_typed(name)}: {option.help}"
                yield Check(name, "warn", "not named, so not looked at", mend)
        elif name in faults:
            mend = f"git clone {published.repository}"
            if not option.folder:
                mend = published.as_typed(name)
                if option.default not in published.repository_files:
                    mend += f", from {published.weights}"
            yield Check(name, "fail", str(faults[name]), mend)
        else:
            told = _commit(paths[name]) if option.folder else _size(paths[name])
            yield Check(name, "ok", f"{paths[name]}, {told}")


def _commit(repository: str) -> str:
    commit, _, edited = commit_of(Path(repository)).partition("+")
    return f"commit {commit[:12]}{', edited' * bool(edited)}" if commit else "no git repository"


def _size(path: str) -> str:
    size = Path(path).stat().st_size
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size} bytes"


def _older(version: str, than: str) -> bool:
    """Whether ``version`` comes before ``than``, by the numbers that they begin with."""
    first, second = (list(map(int, re.findall(r"\d+", one))) for one in (version, than))
    return first[: len(second)] < second

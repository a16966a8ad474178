"""What a published system lacks: in its own environment, in its repository, among its files."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lassbench.errors import LassbenchError, one_line
from lassbench.files import file_fault, parse_json
from lassbench.records import Check
from lassbench.systems.process_group import ProcessGroup
from lassbench.systems.processes import commit_of
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
    paths = published.known({k: str(Path(v).expanduser()) for k, v in options.items()})
    found = _inventory(published, python, paths.get("repo", ""), timeout_s)
    there = [found] if isinstance(found, Check) else _environment(published, python, found)
    return [*there, *_repository(published, paths), *_files(published, paths)]


def _inventory(
    published: Published, python: str, repository: str, timeout_s: float
) -> dict[str, Any] | Check:
    """What ``inventory.py`` says there, or what kept it from saying anything."""
    which = shutil.which(Path(python).expanduser())
    if which is None:
        is_folder = Path(python).expanduser().is_dir()
        told = "is a folder" if is_folder else "no such interpreter, or it may not be run"
        mend = f"name the interpreter, such as {Path(python, 'bin', 'python')}"
        return Check("python", "fail", f"{one_line(python)}: {told}", mend)
    program = str(Path(which).absolute())  # in a virtual environment a link: not resolved
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
        return {"versions": {}, "broken": {}, "cached": [], **found}
    except (LassbenchError, UnicodeDecodeError, TypeError):
        said = "; ".join(process.last_lines[-3:]) or process.how_it_ended
        return Check("python", "fail", f"{python} gave no answer: {one_line(said)}", mend)


def _environment(published: Published, python: str, found: dict[str, Any]) -> Iterator[Check]:
    version = str(found["python"])
    if _older(version, "3.8"):
        mend = f"make an environment with Python 3.8 or later for {published.name}"
        yield Check("python", "fail", f"{version}, which is too old", mend)
        return
    yield Check("python", "ok", f"{version}, {python}")
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


def _repository(published: Published, paths: Mapping[str, str]) -> Iterator[Check]:
    if "repo" not in paths:
        yield _not_named(published, "repo")
        return
    repository = Path(paths["repo"])
    clone = f"git clone {published.repository}"
    if not repository.is_dir():
        yield Check("repo", "fail", f"{repository}: no such folder", clone)
        return
    lacking = [name for name in published.repository_files if file_fault(repository / name)]
    if lacking:
        yield Check("repo", "fail", f"{repository} lacks {', '.join(lacking)}", clone)
        return
    commit, _, edited = commit_of(repository).partition("+")
    told = f"commit {commit[:12]}{', edited' * bool(edited)}" if commit else "no git repository"
    yield Check("repo", "ok", f"{repository}, {told}")


def _files(published: Published, paths: Mapping[str, str]) -> Iterator[Check]:
    for name, option in published.options.items():
        if option.folder or (name not in paths and option.default):
            continue
        if name not in paths:
            yield _not_named(published, name)
        elif fault := file_fault(Path(paths[name])):
            mend = f"{published.as_typed(name)}: {option.help}"
            if option.default not in published.repository_files:
                mend += f", from {published.weights}"
            yield Check(name, "fail", f"{paths[name]}: {fault}", mend)
        else:
            size = Path(paths[name]).stat().st_size
            told = f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size} bytes"
            yield Check(name, "ok", f"{paths[name]}, {told}")


def _not_named(published: Published, option: str) -> Check:
    mend = f"{published.as_typed(option)}: {published.options[option].help}"
    return Check(option, "warn", "not named, so not looked at", mend)


def _older(version: str, than: str) -> bool:
    """Whether ``version`` comes before ``than``, by the numbers that they begin with."""
    first, second = (list(map(int, re.findall(r"\d+", one))) for one in (version, than))
    return first[: len(second)] < second

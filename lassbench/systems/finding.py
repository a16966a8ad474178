"""From what is typed, or an object in a program, to a system that can be asked."""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from lassbench.checked import validate
from lassbench.errors import UsageError, UsageFaultsError, did_you_mean
from lassbench.systems import own_code
from lassbench.systems.builtin import MixtureSeparator, OracleMask
from lassbench.systems.codec import CodecRoundTrip
from lassbench.systems.predictions import MadeBy
from lassbench.systems.processes import COMMAND, CommandSystem, WorkerSystem
from lassbench.systems.protocol import Declared, System, forget_their_folder, users_code
from lassbench.systems.published import PUBLISHED

#: Systems known by a word.
BUILT_IN: dict[str, Callable[..., Any]] = {
    "mixture": MixtureSeparator,
    "oracle": OracleMask,
    "codec-roundtrip": CodecRoundTrip,
}

_METHODS = ("separate", "separate_batch", "separate_oracle")


@dataclass(frozen=True)
class Asked:
    """A system as it was named; picklable, so that every worker can find it for itself.

    Attributes
    ----------
    system
        ``mixture``, ``oracle``, ``codec-roundtrip``, a published system's name, ``command:...``,
        the folder of a trained checkpoint, ``my_system.py``, ``my_system.py:MySystem`` or
        ``package.module:object`` (looked up from the working folder too).
    arguments
        What the system is made with.
    device
        For checkpoints and published systems: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
    python
        The interpreter of a published system's own environment.
    timeout_s
        Seconds that a system in another process may take for a query.
    sample_rate
        The rate in Hz to work at, for systems that name none.
    seed
        For systems with a random generator; each query has one of its own made from it.
    without_negative
        Whether it is never told what to leave out.
    name
        What to call it instead of its own name.
    """

    system: str
    arguments: tuple[tuple[str, str], ...] = ()
    device: str = "auto"
    python: str = ""
    timeout_s: float = 600.0
    sample_rate: int | None = None
    seed: int | None = None
    without_negative: bool = False
    name: str = ""


def find_system(asked: Asked) -> System:
    """The system that is meant, made but not yet started.

    Raises
    ------
    UsageError
        If there is none, or it does not take these arguments.
    LassbenchError
        If the user's own code fails.
    """
    forget_their_folder()
    system = _find(asked)
    own_hz = system.declared.sample_rate
    if asked.sample_rate and own_hz not in (None, asked.sample_rate):
        raise UsageError(
            "the system works at a rate of its own",
            where=asked.system,
            expected=f"{own_hz} Hz",
            got=f"--rate {asked.sample_rate}",
            fix="leave out --rate: sound is resampled to it and back",
        )
    if asked.sample_rate and own_hz is None:
        system = system.at(asked.sample_rate)
    if asked.without_negative:
        system = system.without_negative()
    return system.named(asked.name) if asked.name else system


def _find(asked: Asked) -> System:
    spec, arguments = _at_home(asked.system), dict(asked.arguments)
    built: Any
    if asked.python and spec not in PUBLISHED:
        raise UsageError(
            "--python is for published systems, which run in an environment of their own",
            where=spec,
            expected=", ".join(PUBLISHED),
            fix="leave it out",
        )
    if spec in PUBLISHED or spec.startswith(COMMAND):
        return _in_another_process(asked, spec, arguments)
    made_by = _recorded(
        system=spec, arguments=arguments, files=own_code.hashes(arguments), seed=asked.seed
    )
    if spec in BUILT_IN:
        _no_device(asked)
        built = _made(BUILT_IN[spec], arguments, spec)
        return System.of(built, name=spec, made_by=made_by)
    path, _, name = spec.partition(":")
    there = os.path.lexists(spec)
    if path.endswith(".py") or (":" in spec and not there):
        _no_device(asked)
        return _own(spec, path, name, made_by)
    if there:
        from lassbench.models.checkpoints import load_separator

        _no_arguments(arguments, "a checkpoint")
        built = load_separator(Path(spec), device=asked.device)
        made_by = made_by.model_copy(update={"sha256": built.card.checkpoint_sha256})
        return System.of(built, name=spec, made_by=made_by)
    known = [*BUILT_IN, *PUBLISHED]
    raise UsageError(
        f"no such system{did_you_mean(spec, known)}",
        where=spec,
        expected=f"{', '.join(known)}, the folder of a checkpoint, my_system.py, "
        "package.module:object or command:...",
        fix="check the path; `lassbench systems` lists what there is, docs/systems.md tells how "
        "to run your own",
    )


def _in_another_process(asked: Asked, spec: str, arguments: dict[str, str]) -> System:
    built: WorkerSystem | CommandSystem
    if spec in PUBLISHED:
        built = WorkerSystem(
            PUBLISHED[spec],
            python=asked.python,
            options=arguments,
            device=asked.device,
            timeout_s=asked.timeout_s,
        )
    else:
        _no_arguments(arguments, "a command")
        _no_device(asked)
        built = CommandSystem(spec, timeout_s=asked.timeout_s)
    made_by = _recorded(**built.made_by, seed=asked.seed or 0)
    return System.of(built, name=spec, made_by=made_by)


def _no_device(asked: Asked) -> None:
    if asked.device != "auto":
        raise UsageError(
            "--device is for checkpoints and published systems",
            where=asked.system,
            got=asked.device,
            fix="--arg device=..., where the system has such a parameter; a command has words",
        )


def _at_home(text: str) -> str:
    """``~/net.pt`` as a path: in quotes and after ``=`` a shell leaves it as it is."""
    with contextlib.suppress(RuntimeError):  # no such user
        return str(Path(text).expanduser()) if text.startswith("~") else text
    return text


def _recorded(**told: Any) -> MadeBy:
    return validate(
        MadeBy, told, what="the system cannot be recorded as it is named", error=UsageFaultsError
    )


def as_system(separator: Any, *, name: str = "") -> System:
    """``separator``, an object, a class or a function, as a system.

    Raises
    ------
    UsageError
        If it does not separate.
    """
    if isinstance(separator, System):
        return separator
    if isinstance(separator, type):
        separator = _made(separator, {}, separator.__name__)
    named = separator.func if isinstance(separator, partial) else separator
    kind = named if inspect.isroutine(named) else type(named)
    known = name or kind.__name__
    if not _has_method(separator) and callable(separator):
        # Beside a function in a notebook stands whatever was tried there.
        home = (getattr(kind, "__module__", None) or "__main__").removeprefix("__main__")
        module = sys.modules.get(home)
        separator = _Function(separator, module)
        known = home.rpartition(".")[2] if known == "separate" and module else known
    made_by = MadeBy(system=known, sha256=own_code.source_sha256(kind))
    return System.of(separator, name=known, made_by=made_by)


def _has_method(found: Any) -> bool:
    with users_code(type(found).__name__, "its methods", what="cannot be read"):
        return any(hasattr(found, one) for one in _METHODS)


class _Function:
    """A function as a system; what it says of itself stands on it, or in the file around it."""

    def __init__(self, function: Callable[..., Any], module: ModuleType | None) -> None:
        self.separate = function
        for key in ("card", *Declared.model_fields):
            value = getattr(function, key, getattr(module, key, None))
            if value is not None:
                setattr(self, key, value)


# ---------------------------------------------------------------------------
# A user's own code
# ---------------------------------------------------------------------------


def _own(spec: str, path: str, name: str, made_by: MadeBy) -> System:
    """The system in a user's file or module."""
    with users_code(path, spec, what="cannot be imported"):
        is_file = path.endswith(".py")
        module = own_code.load_file(Path(path)) if is_file else own_code.load_module(path, spec)
    found = _object_in(module, name, spec) if name else module
    if isinstance(found, ModuleType):
        found, name = _only_system(found, spec), "separate"
    called = getattr(found, "__name__", type(found).__name__)
    if not isinstance(found, type) and _has_method(found):
        _no_arguments(made_by.arguments, f"{called}, which is made already,")
    elif isinstance(found, type) or not (
        name == "separate" or _separates(found, made_by.arguments)
    ):
        found = _made(found, made_by.arguments, spec)
        if not _has_method(found) and callable(found):
            found = _Function(found, None)
    else:
        given = _arguments(found, made_by.arguments, spec) if made_by.arguments else {}
        found = _Function(partial(found, **given) if given else found, module)
        file = Path(path).stem if is_file else path.rpartition(".")[2]
        called = file if called == "separate" else called
    made_by = made_by.model_copy(update={"sha256": own_code.sources_sha256(module)})
    return System.of(found, name=called, made_by=made_by)


def _object_in(module: ModuleType, name: str, spec: str) -> Any:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(
                f"{spec.partition(':')[0]} has no {name!r}{did_you_mean(part, dir(found))}",
                where=spec,
                fix="check the name after the colon",
            )
        found = getattr(found, part)
    return found


def _only_system(module: ModuleType, spec: str) -> Any:
    """The function ``separate`` of a file, else its only class that separates."""
    if hasattr(module, "separate"):
        return module.separate
    classes = {
        name: found
        for name, found in vars(module).items()
        if isinstance(found, type) and found.__module__ == module.__name__ and _has_method(found)
    }
    if len(classes) != 1:
        named = ", ".join(f"{spec}:{name}" for name in classes)
        raise UsageError(
            f"{'several classes' if classes else 'nothing'} in this file can separate",
            where=spec,
            expected="a function separate(mixture, query, sample_rate), or one class with it",
            got=named,
            fix="name one of them" if classes else "docs/systems.md has examples",
        )
    return next(iter(classes.values()))


def _separates(function: Any, arguments: Mapping[str, str]) -> bool:
    """Whether a function separates itself: three parameters have to be given, and not by name.

    Otherwise it is a factory, which makes the system.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # nobody knows those of some compiled functions
        return True
    needed = [one for one in parameters if one.default is one.empty]
    placed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(one.kind is one.VAR_POSITIONAL for one in needed):
        return not arguments
    by_place = [one for one in needed if one.kind in placed]
    return len(by_place) >= 3 and not {one.name for one in by_place} <= arguments.keys()


def _made(factory: Callable[..., Any], arguments: Mapping[str, str], spec: str) -> Any:
    """What a class or a factory makes of these arguments."""
    given = _arguments(factory, arguments, spec)
    needed = [one for one in _by_name(factory).values() if one.default is one.empty]
    if lacking := [one.name for one in needed if one.name not in arguments]:
        raise UsageError(
            "the system needs arguments",
            where=spec,
            expected=" ".join(f"--arg {name}=..." for name in lacking),
            got=", ".join(arguments) or "none",
            fix="give each with --arg NAME=VALUE",
        )
    with users_code(getattr(factory, "__name__", spec), spec, what="cannot be made"):
        return factory(**given)


def _no_arguments(arguments: Mapping[str, str], what: str) -> None:
    if arguments:
        raise UsageError(
            f"{what} takes no arguments", got=", ".join(arguments), fix="leave them out"
        )


def _parameters(function: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # nobody knows those of some compiled functions
        return []


def _by_name(function: Any) -> dict[str, inspect.Parameter]:
    """The parameters that can be given by name."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {one.name: one for one in _parameters(function) if one.kind in kinds}


_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_KINDS: dict[str, Callable[[str], Any]] = {
    "bool": lambda text: _FLAGS[text.lower()],
    "int": int,
    "float": float,
    "Path": Path,
    "str": str,
}


def _arguments(function: Any, arguments: Mapping[str, str], spec: str) -> dict[str, Any]:
    """``arguments`` as ``function`` takes them: numbers and flags where it says so.

    By an annotation or a default that is a whole number, a number, a flag or a path; all
    others are text.
    """
    named = _by_name(function)
    anything = any(one.kind is one.VAR_KEYWORD for one in _parameters(function))
    for name in arguments:
        if name not in named and not anything:
            raise UsageError(
                f"the system takes no argument {name!r}{did_you_mean(name, named)}",
                where=spec,
                expected=", ".join(named) or "none",
                fix="correct --arg",
            )
    return {name: _as_type(text, named.get(name), spec) for name, text in arguments.items()}


def _as_type(text: str, parameter: inspect.Parameter | None, spec: str) -> Any:
    text = _at_home(text)
    if parameter is None:
        return text
    kind = parameter.annotation
    # An annotation is its own text in a module with `from __future__ import annotations`.
    said = kind if isinstance(kind, str) else inspect.formatannotation(kind)
    if kind is parameter.empty:
        said = type(parameter.default).__name__
    one_of = re.sub(r"^([\w.]*\.)?(Optional|Union)\[(.*)\]$", r"\3", said)
    kinds = [part.strip().rpartition(".")[2] for part in re.split(r"[|,]", one_of)]
    if not (known := [part for part in kinds if part in _KINDS]):
        return text
    for part in known:
        with contextlib.suppress(ValueError, KeyError):
            return _KINDS[part](text)
    raise UsageError(
        f"--arg {parameter.name} has a wrong value",
        where=spec,
        expected=" or ".join(known),
        got=text or "nothing",
        fix="correct --arg",
    )

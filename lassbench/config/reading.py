"""YAML in, checked values out; every fault with its file and line."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from lassbench.config.limits import impossible
from lassbench.config.schema import Config
from lassbench.errors import Fault, UsageError, UsageFaultsError, did_you_mean, one_line
from lassbench.files import data_folder, explain_os_error, write_text

Part = TypeVar("Part")


def load_config(name_or_file: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config by name or file and apply ``key=value`` overrides.

    Parameters
    ----------
    name_or_file
        The name of a shipped config (``lassnet``, ``unet`` ...) or a YAML file.
    overrides
        ``section.key=value``, values written as in YAML.

    Raises
    ------
    UsageError
        If there is no such config or it is not YAML.
    UsageFaultsError
        Listing every unknown key, wrong type and impossible value.
    """
    path = find_config(name_or_file)
    values, lines = _read_yaml(path)
    places = {key: f"{path}:{line}" for key, line in lines.items()}
    for override in overrides:
        _override(values, places, override)
    return config_from(values, where=str(path), places=places)


def config_from(
    values: Mapping[str, Any],
    *,
    where: str,
    places: Mapping[tuple[str, ...], str] | None = None,
) -> Config:
    """A checked config of plain values.

    Parameters
    ----------
    where, places
        What the values came from, and more exactly each key.

    Raises
    ------
    UsageFaultsError
        As :func:`load_config`.
    """
    reader = _Reader(where, places or {})
    config = reader.build(Config, values, ())
    if not reader.faults:
        reader.faults += [
            Fault("value", reader.place(key), reason) for key, reason in impossible(config)
        ]
    if reader.faults:
        raise UsageFaultsError(
            "the config cannot be used", reader.faults, fix="correct these values"
        )
    return config


def choose_config(
    system: str, name_or_file: str | None, overrides: Sequence[str], *, run: Path | None = None
) -> Config:
    """The config of a training command.

    Parameters
    ----------
    system
        What is to be trained: the config must be for it.
    name_or_file
        What the user named, else the run's own config, else the shipped ``system``.
    run
        The folder of a run that is to be resumed.

    Raises
    ------
    UsageError
        If the config is for the other system.
    UsageFaultsError
        As :func:`load_config`.
    """
    own = run / "config.yaml" if run else None
    chosen = name_or_file or (own if own and own.is_file() else system)
    config = load_config(chosen, overrides)
    if config.system != system:
        raise UsageError(
            f"this config is for {config.system}, not {system}",
            where=find_config(chosen),
            fix=f"lassbench train-baseline {config.system} --config {chosen}",
        )
    return config


def find_config(name_or_file: str | Path) -> Path:
    """The YAML file that a name or path means.

    Raises
    ------
    UsageError
        If there is neither a shipped config of that name nor such a file.
    """
    shipped = shipped_configs()
    name = str(name_or_file)
    if name in shipped:
        return shipped[name]
    path = Path(name_or_file)
    if path.is_dir() and (path / "config.yaml").is_file():
        return path / "config.yaml"
    if path.is_file():
        return path
    raise UsageError(
        f"no such config{did_you_mean(name, shipped)}",
        where=name,
        expected=f"a YAML file, or one of {', '.join(sorted(shipped))}",
    )


def shipped_configs() -> dict[str, Path]:
    """Name -> file of the configs that come with lassbench."""
    folder = data_folder("baselines")
    return {path.parent.name: path for path in sorted(folder.glob("*/config.yaml"))}


def write_config(path: Path, config: Config) -> None:
    """Write the resolved config as YAML."""
    write_text(path, yaml.safe_dump(config.as_dict(), sort_keys=False, allow_unicode=True))


def _read_yaml(path: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except OSError as error:
        raise explain_os_error(error, path) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise UsageError(
            "not valid YAML", where=f"{path}{line}", got=one_line(str(error))
        ) from error
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        raise UsageError("the config must be a mapping", where=path, expected="key: value lines")
    lines: dict[tuple[str, ...], int] = {}
    for keys, number in _key_lines(node, ()):
        if keys in lines:
            raise UsageError(
                f"the key {'.'.join(keys)!r} is given twice",
                where=f"{path}:{number}",
                got=f"the first is in line {lines[keys]}",
                fix="remove one of them",
            )
        lines[keys] = number
    return values, lines


def _key_lines(node: Any, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        here = (*above, str(key.value))
        yield here, key.start_mark.line + 1
        yield from _key_lines(value, here)


def _override(values: dict[str, Any], places: dict[tuple[str, ...], str], override: str) -> None:
    name, equals, text = override.partition("=")
    keys = tuple(name.strip().split("."))
    where = f"--set {override}"
    if not equals or not all(keys):
        raise UsageError(
            "not an override", where=where, expected="section.key=value", got=one_line(override)
        )
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError("the value is not YAML", where=where, got=one_line(str(error))) from error
    section = values
    for key in keys[:-1]:
        if not isinstance(section.setdefault(key, {}), dict):
            raise UsageError(f"{key!r} has no keys of its own", where=where)
        section = section[key]
    section[keys[-1]] = value
    for depth in range(1, len(keys)):
        places.setdefault(keys[:depth], where)
    places[keys] = where


class _Reader:
    """Builds dataclasses of plain values and gathers every fault on the way."""

    def __init__(self, where: str, places: Mapping[tuple[str, ...], str]) -> None:
        self.where, self.places = where, places
        self.faults: list[Fault] = []

    def place(self, key: tuple[str, ...]) -> str:
        """Where ``key`` was given, or the section around it."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places.get(key, self.where)

    def build(self, kind: type[Part], values: Any, above: tuple[str, ...]) -> Part:
        """An instance of the dataclass ``kind``; faults are kept, not raised."""
        if not isinstance(values, Mapping):
            self._fault(above, "type", "must be a section of keys")
            return kind()
        hints = get_type_hints(kind)
        known = [part.name for part in dataclasses.fields(kind)]  # type: ignore[arg-type]
        chosen: dict[str, Any] = {}
        for key, value in values.items():
            here = (*above, str(key))
            if key not in known:
                self._fault(here, "unknown key", f"there is no {'.'.join(here)!r}{_meant(here)}")
            elif dataclasses.is_dataclass(hints[key]):
                chosen[key] = self.build(hints[key], value, here)
            else:
                chosen[key] = self._value(hints[key], value, here)
        return kind(**{key: value for key, value in chosen.items() if value is not _BAD})

    def _value(self, hint: Any, value: Any, here: tuple[str, ...]) -> Any:
        fitted = _fit(hint, value)
        if fitted is _BAD:
            near = did_you_mean(value, get_args(hint)) if isinstance(value, str) else ""
            reason = f"{'.'.join(here)} must be {_describe(hint)}, got {value!r}{near}"
            self._fault(here, "wrong type", reason)
        return fitted

    def _fault(self, here: tuple[str, ...], kind: str, reason: str) -> None:
        self.faults.append(Fault(kind, self.place(here), reason))


def _meant(key: tuple[str, ...]) -> str:
    """The key nearest to an unknown one, in its own section if that has one as near."""
    known = list(_keys(Config, ()))
    near = get_close_matches(key[-1], {known_key[-1] for known_key in known}, n=1)
    same_name = [known_key for known_key in known if [known_key[-1]] == near]
    same_name.sort(key=lambda known_key: known_key[:-1] != key[:-1])
    return f" (did you mean {'.'.join(same_name[0])!r}?)" if same_name else ""


def _keys(kind: Any, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every key that a config can hold, sections too."""
    hints = get_type_hints(kind)
    for part in dataclasses.fields(kind):
        yield (*above, part.name)
        if dataclasses.is_dataclass(hints[part.name]):
            yield from _keys(hints[part.name], (*above, part.name))


_BAD = object()


def _fit(hint: Any, value: Any) -> Any:
    """``value`` as the type ``hint``, or ``_BAD``."""
    origin = get_origin(hint)
    if origin is Literal:
        # YAML reads a bare on/off as a truth value.
        spelt = {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value
        return spelt if spelt in get_args(hint) else _BAD
    if origin is tuple:
        return _fit_tuple(get_args(hint), value)
    if origin in (Union, types.UnionType):
        fitted = (_fit(option, value) for option in get_args(hint))
        return next((option for option in fitted if option is not _BAD), _BAD)
    if isinstance(value, bool):
        return value if hint is bool else _BAD
    if hint is float:
        return _fit_float(value)
    return value if isinstance(value, hint) else _BAD


def _fit_tuple(hints: tuple[Any, ...], value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return _BAD
    if hints[-1] is Ellipsis:
        hints = (hints[0],) * len(value)
    if len(hints) != len(value):
        return _BAD
    parts = tuple(_fit(hint, part) for hint, part in zip(hints, value, strict=True))
    return _BAD if any(part is _BAD for part in parts) else parts


def _fit_float(value: Any) -> Any:
    if isinstance(value, str):
        # YAML 1.1 reads 1e-3 (no dot) as text.
        try:
            value = float(value)
        except ValueError:
            return _BAD
    if not isinstance(value, int | float) or not math.isfinite(value):
        return _BAD
    return float(value)


def _describe(hint: Any) -> str:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    if get_origin(hint) is Literal:
        return " | ".join(get_args(hint))
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        count = "" if parts[-1] is Ellipsis else f"{len(parts)} "
        return f"a list of {count}{'whole ' if parts[0] is int else ''}numbers"
    return names.get(hint, str(hint))

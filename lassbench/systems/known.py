"""The table of systems: the published ones, and the other ways to name one."""

from __future__ import annotations

from lassbench.plain_text import markdown, text_table
from lassbench.systems.published import PUBLISHED, Published

UNTESTED = "untested with the real weights"

#: What ``lassbench separate`` takes besides the published ones, and what that is.
OTHERS = {
    "mixture": "the mixture, untouched: the floor that improvements start from",
    "oracle": "the ideal ratio mask from the true sources: an upper bound, never ranked",
    "codec-roundtrip": "the target through a codec and back: the ceiling of generative systems",
    "CHECKPOINT": "the folder of a system that `lassbench train-baseline` has trained",
    "my_system.py": "your own: a function or a class; also my_system.py:MySystem, package:object",
    "command:PROGRAM ...": "any program that reads {mixture} and {query} and writes {estimate}",
}

_HEADER = ("system", "kHz", "licence", "generative", "negative query", "trained on", "run with")


def known_rows() -> list[tuple[str, ...]]:
    """The published systems, a row each, below the names of the columns."""
    rows = [
        (
            one.name,
            f"{one.sample_rate / 1000:g}",
            one.licence,
            "yes" if one.card.generative else "no",
            "yes" if one.negative else "no",
            ", ".join(one.card.trained_on),
            one.ran_with_weights or UNTESTED,
        )
        for one in PUBLISHED.values()
    ]
    return [_HEADER, *rows]


def _needs(one: Published) -> dict[str, str]:
    """What a published system needs: what is typed -> what that is."""
    return {
        "--python PYTHON": "of an environment with "
        + ", ".join(" ".join([name, *kept[:1]]) for name, kept in one.packages.items()),
        **{
            one.as_typed(name): option.help
            + (f"; {option.default} in the repository, if it is not said" * bool(option.default))
            for name, option in one.options.items()
        },
    }


def describe() -> list[str]:
    """The table for a terminal, what each of them needs, and the other systems."""
    lines = text_table(known_rows(), left=len(_HEADER))
    for one in PUBLISHED.values():
        told = {"code": one.repository, "weights": one.weights, "seen to run": one.ran}
        lines += ["", f"{one.name}: {one.card.name}, {one.card.url}"]
        lines += _indented({**told, **_needs(one)})
    return [*lines, "", "Others:", *_indented(OTHERS)]


def _indented(told: dict[str, str]) -> list[str]:
    width = max(map(len, told))
    return [f"  {name:<{width}}  {text}" for name, text in told.items()]


def markdown_table() -> list[str]:
    """The table of ``docs/systems.md``."""
    weights = ("weights", *(one.weights for one in PUBLISHED.values()))
    kept = [(*row, where) for row, where in zip(known_rows(), weights, strict=True)]
    lines = [f"| {' | '.join(map(markdown, row))} |" for row in kept]
    return [lines[0], "|---" * len(kept[0]) + "|", *lines[1:]]

"""Systems side by side: paired differences, and the closing table as it is printed."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from lassbench.errors import LassbenchError, UsageError
from lassbench.files import sha256_bytes
from lassbench.pictures import terminal
from lassbench.scores.comparison import Line, compare, others_than, table_of, verdict
from lassbench.scores.rows import METRICS
from lassbench.scores.score import evaluate
from lassbench.scores.score_file import Scores
from lassbench.scores.statistics import paired_difference
from lassbench.suites.suite import load_suite
from tests.scores.by_hand import muffled, of_rows, rows_by_hand, score_by_hand

QUERIES = 40
NOISE = np.random.default_rng(1).normal(size=QUERIES)


def system(name: str, mean: float, *, rows: slice = slice(None), **card: Any) -> Scores:
    """A made-up system that improves by ``mean`` dB, more or less, and has its own predictions."""
    of_it = np.random.default_rng(zlib.crc32(name.encode())).normal(size=QUERIES)
    values = mean + NOISE + 0.1 * (of_it - of_it.mean())
    made = rows_by_hand(QUERIES, si_sdr_i=values, sar=50 - values, query_type="caption")
    made["target_id"] = [f"t{n % 20}" for n in range(QUERIES)]
    card.setdefault("predictions_sha256", sha256_bytes(name.encode()))
    return score_by_hand(made[rows], name, of=QUERIES, **card)


def printed(lines: Sequence[Line], *, width: int = 80, styles: bool = False) -> str:
    return shown(terminal.show_table, lines, width=width, styles=styles)


def shown(show: Any, *what: Any, width: int = 80, styles: bool = False) -> str:
    file = io.StringIO()
    out = Console(file=file, width=width, highlight=False, force_terminal=styles)
    show(out, *what)
    return file.getvalue()


def places(lines: Sequence[Line]) -> dict[str, str]:
    return {one.name: one.place for one in lines}


# --- two systems ------------------------------------------------------------


def test_comparison_is_the_paired_difference(scored: dict[str, Scores]) -> None:
    found = compare(scored["oracle"], scored["muffled"], resamples=500)
    a, b = (scored[name].rows["sdr"] for name in ("oracle", "muffled"))
    targets = scored["oracle"].rows["target_id"].tolist()
    assert found.metrics["sdr"] == paired_difference(a, b, targets, resamples=500)
    assert found.metric == "si_sdr_i"
    assert found.moved["difference"].is_monotonic_decreasing
    assert len(found.moved) == found.queries == len(a)
    assert sum(one.n for one in found.by["concept"].values()) == len(a)
    assert verdict(found.metrics["si_sdr_i"]) == "better"
    by_title = compare(scored["oracle"], scored["muffled"], metric="SDRi", resamples=50)
    assert by_title.metric == "sdr_i"
    with pytest.raises(UsageError, match="did you mean 'si_sdr'"):
        compare(scored["oracle"], scored["muffled"], metric="sisdr")


def test_comparison_is_on_what_both_cover(scored: dict[str, Scores], frozen: Path) -> None:
    oracle, blurred = scored["oracle"], scored["muffled"]
    found = compare(oracle, Scores(blurred.file, blurred.rows[4:]), resamples=50)
    assert found.queries == len(oracle.rows) - 4
    assert any("of them are compared" in one for one in found.warnings)
    with pytest.raises(LassbenchError, match="no query in common"):
        compare(oracle, Scores(blurred.file, blurred.rows[:0]))
    other = evaluate(muffled, load_suite(frozen / "absent"), progress=False)
    for refused in (lambda: compare(oracle, other), lambda: table_of([oracle, other])):
        with pytest.raises(UsageError, match="different suites"):
            refused()


def test_what_is_defined_otherwise_is_not_compared(scored: dict[str, Scores]) -> None:
    one = scored["oracle"]
    strange = dict.fromkeys(one.file.definitions, "of another version")
    other = of_rows(one, one.rows, definitions=strange)
    with pytest.raises(UsageError, match=r"nothing alike[\s\S]*SI-SDRi"):
        compare(one, other)
    (_, first, second) = table_of([one, other])
    assert first.cells
    assert not second.cells
    assert "-" in printed([first, second])


def test_lower_distances_are_better() -> None:
    values = np.arange(40.0)
    found = paired_difference(values + 1, values, range(40), resamples=50)
    assert [verdict(found, name) for name in ("si_sdr", "lsd", "mrstft")] == [
        "better", "worse", "worse",
    ]  # fmt: skip
    assert verdict(found, "attenuation", "unreferenced") == "quieter"


def test_comparison_by_annotator() -> None:
    systems = [system("one", 1.0), system("two", 2.0)]
    for one in systems:
        one.rows["annotator"] = ["a", "b"] * (QUERIES // 2)
        one.rows["mixture_id"] = [f"m{n // 2}" for n in range(QUERIES)]
    found = compare(*systems, resamples=50)
    assert set(found.by["annotator"]) == {"a", "b"}
    text = shown(terminal.show_comparison, found)
    assert "SI-SDRi by annotator" in text
    assert text.count("who asks") == 2
    assert max(map(len, text.splitlines())) <= 80


# --- the table of all -------------------------------------------------------


def test_the_mixture_stands_in_the_table_without_a_file(scored: dict[str, Scores]) -> None:
    mixture, oracle, _ = table_of([scored["oracle"], scored["muffled"]])
    assert (mixture.name, oracle.name) == ("Mixture", "Oracle ratio mask")
    for name, found in scored["mixture"].summary.metrics.items():
        expected = found.mean if found.mean is None else pytest.approx(found.mean, abs=1e-6)
        assert mixture.cells[name].mean == expected, name
    assert [one.name for one in table_of([scored["mixture"], scored["muffled"]])] == [
        "Mixture",
        "muffled",
    ]


def test_others_are_neither_the_mixture_nor_the_same_again() -> None:
    ours, rival = system("ours", 3), system("rival", 4)
    renamed = system("as published", 3, predictions_sha256=ours.file.system.predictions_sha256)
    elsewhere = system("elsewhere", 5)
    elsewhere.rows["query_id"] = "x" + elsewhere.rows["query_id"]
    mixture = system("Mixture", 0)
    found = others_than([ours], [mixture, renamed, rival, elsewhere, rival, ours])
    assert [one.name for one in found] == ["rival"]
    # The same name with other predictions is another system.
    again = system("ours", 3, predictions_sha256="cd" * 32)
    assert others_than([ours], [again]) == [again]


def test_the_best_is_marked_with_its_ties_and_is_no_oracle_and_no_part() -> None:
    lines = table_of(
        [
            system("good", 6.0),
            system("as good", 5.999),
            system("worse", 4.0),
            system("mask", 12.0, query_type="oracle"),
            system("half", 9.0, rows=slice(0, 30)),
        ]
    )
    assert places(lines) == {
        "Mixture": "", "good": "best", "as good": "tied", "worse": "", "mask": "", "half": "",
    }  # fmt: skip
    assert "best by SI-SDRi on the 40 queries of all; = not told" in " ".join(
        printed(lines).split()
    )


def test_the_best_is_found_on_the_queries_of_all() -> None:
    """One whose clips are partly gone is no partial result, and may have had the easy ones."""
    easy = system("easy ones", 5.0)
    order = np.argsort(easy.rows["si_sdr_i"].to_numpy())[20:]
    here = easy.rows.iloc[np.sort(order)]
    coverage = easy.file.coverage.model_copy(update={"renderable": 20, "queries_scored": 20})
    fewer = of_rows(easy, here, coverage=coverage)
    lines = table_of([fewer, system("all", 5.5)])
    means = {one.name: one.cells["si_sdr_i"].mean for one in lines}
    assert means["easy ones"] > means["all"]
    assert places(lines)["all"] == "best"
    assert "best by SI-SDRi on the 20 queries of all" in " ".join(printed(lines).split())


def test_at_80_columns_everything_stands_once_and_is_explained() -> None:
    long = "An-uninterrupted-name-" * 9
    systems = [system(f"System {n}", n / 3) for n in range(10)]
    systems += [system(long, 7.0), system("[b]Net[/] \u202e\n(v2)", -30, query_type="tag")]
    text = printed(table_of(systems))
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= 80
    assert "…" not in text
    assert len(lines) < 75
    (heading,) = (line for line in lines if line.startswith(" system "))
    titles = heading.replace("SI-SDRi, 95 %", "SI-SDRi").split()[1:-1]
    assert titles == ["SI-SDRi", "SDRi", "SIRi", "SAR", "SNRi", "wrong"]
    legend = " ".join(lines[lines.index(heading) :])
    for name in titles:
        assert len(re.findall(rf"(?<![\w-]){name}(?: \(dB\))?: ", legend)) == 1, name
    for called in (METRICS[one].called for one in ("sdr_i", "sar", "snr_i")):
        assert called in legend
    for one in systems[:10]:
        assert text.count(f"{one.name} ") == 1
    assert all(one in text for one in ("[b]Net[/]", r"\u202e\n(v2)", "(tag)"))


def test_best_is_bold_and_sar_never_is() -> None:
    worst_first = [system("loud", 1.0), system("good", 6.0), system("poor", -2.0)]
    lines = table_of(worst_first)
    best_sar = max(lines, key=lambda one: one.cells["sar"].mean or -99)
    assert best_sar.name == "poor"
    bold = re.findall(r"\x1b\[1m([^\x1b]*)\x1b", printed(lines, styles=True))
    (name, value) = (one.strip() for one in bold if "good" in one or re.match(r"\s*\d", one))
    assert name == "good *"
    assert value.startswith("6.")
    assert ".." in value


def test_a_partial_result_is_marked_however_long_its_name() -> None:
    partial = system("x" * 200, 9.0, rows=slice(0, 30), generative=True)
    lines = table_of([partial, system("whole", 1.0)])
    text = printed(lines)
    assert "(generative) (PARTIAL)" in " ".join(text.split())
    assert "30/40" in text
    assert places(lines)["whole"] == "best"


# --- runs -------------------------------------------------------------------


def runs(count: int, **more: Any) -> list[Scores]:
    return [
        system("net", 3.0 + n, run=f"seed-{n}", predictions_sha256=f"{n:064x}", **more)
        for n in range(count)
    ]


def test_runs_of_one_name_are_a_line_with_their_mean_and_spread() -> None:
    own = runs(3)
    (_, line, other) = table_of([*own, system("other", 4.9)])
    expected = np.mean([one.rows["si_sdr_i"] for one in own], axis=0)
    assert line.rows["si_sdr_i"].to_numpy() == pytest.approx(expected)
    assert line.cells["si_sdr_i"].mean == pytest.approx(expected.mean())
    means = [one.rows["si_sdr_i"].mean() for one in own]
    assert line.spread == pytest.approx(np.std(means, ddof=1), abs=1e-8)
    assert (line.name, len(line.members), line.queries) == ("net", 3, QUERIES)
    assert other.spread is None
    text = printed([line, other])
    assert f"sd {line.spread:.2f} of 3 runs" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "sd: standard deviation between the means of the runs" in text


def test_runs_that_differ_in_queries_and_model_are_averaged_in_what_they_share() -> None:
    first, second = runs(2)
    part = second.rows[10:]
    fewer = score_by_hand(part, "net", of=QUERIES, run="seed-1")
    (_, line) = table_of([first, fewer])
    assert line.queries == 30
    assert line.partial
    clap = [
        score_by_hand(
            one.rows.assign(clap=0.5, clap_mixture=0.1, clap_i=0.4), "net", run=f"r{n}",
            clap_model=f"model {n}",
        )
        for n, one in enumerate((first, second))
    ]  # fmt: skip
    (_, line) = table_of([*clap, system("plain", 1.0)])[:2]
    assert "clap" not in line.cells
    assert "si_sdr_i" in line.cells
    (_, line) = table_of([clap[0], second])
    assert "clap" not in line.cells
    with pytest.raises(LassbenchError, match="no query in common"):
        table_of(
            [
                score_by_hand(one, "net", run=f"{n}", of=QUERIES)
                for n, one in enumerate((first.rows[:5], first.rows[5:]))
            ]
        )


def test_details_are_beside_all_others_and_never_beside_itself() -> None:
    own = runs(2)
    twins = [system("twin", 1.0), system("twin", 2.0, predictions_sha256="cd" * 32)]
    markup = system("[/red]", 3.0)
    lines = table_of([*own, *twins, markup])
    for one, beside in ((own[0], 4), (twins[0], 4), (markup, 4)):
        text = shown(terminal.show_details, one, lines)
        assert max(map(len, text.splitlines())) <= 80
        assert "…" not in text
        table = text[text.index(" minus") : text.index("by concept")]
        assert len(re.findall(r" [+-]\d+\.\d\d ", table)) == beside

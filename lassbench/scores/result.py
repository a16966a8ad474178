"""From measurements to a score: rows, summary, coverage, contamination, warnings."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from lassbench import __version__
from lassbench.checked import validate
from lassbench.csv_files import join
from lassbench.errors import Fault, LassbenchError, LassbenchWarning, one_line
from lassbench.files import sha256_bytes
from lassbench.metrics import backend
from lassbench.predictions import SYSTEM_FILE, System
from lassbench.records import SystemCard
from lassbench.scores.judge import Verdict
from lassbench.scores.pieces import Measured
from lassbench.scores.score_file import (
    CLAP_METRICS,
    METRICS,
    SAR_UNDEFINED_DB,
    SILENT_BELOW_DB,
    Bootstrap,
    Contamination,
    Coverage,
    MetricDefinition,
    ScoreFile,
    Scores,
    SuiteInfo,
    SystemInfo,
    ids_sha256,
    rows_schema,
    rows_sha256,
)
from lassbench.scores.statistics import RESAMPLES
from lassbench.scores.summary import metric_names, summarise
from lassbench.suites.suite import Suite

#: How intervals are made unless a caller says otherwise.
USUAL = Bootstrap(resamples=RESAMPLES, seed=0)

#: Peak above which an estimate is at a wrong scale: 40 dB above full scale, where no
#: estimate from a mixture within [-1, 1] lies, and far below what integers reach.
SCALE_PEAK = 100.0

#: Share of clipped samples above which that is told.  Of ESC-10's 400 mixtures, targets
#: and masked mixtures none has a clipped sample; written 3 dB too loud as 16 bits, 315 of
#: the mixtures are above this, 6 dB too loud 391.
CLIPPED_SHARE = 1e-4


def make_scores(
    measured: Sequence[Measured],
    suite: Suite,
    system: System,
    *,
    bootstrap: Bootstrap,
    clap: Mapping[str, Mapping[str, float]] | None = None,
    clap_model: str = "",
    faults: Sequence[Fault] = (),
    unscorable: Mapping[str, str],
) -> Scores:
    """The score file and rows of one system.

    Parameters
    ----------
    clap
        query_id -> CLAP columns, if they were asked for; ``clap_model`` made them.
    faults
        What was wrong with the predictions and was let pass.
    unscorable
        query_id -> why no system can be scored on it.

    Raises
    ------
    LassbenchError
        If nothing was measured.
    """
    if not measured:
        raise _nothing(suite, system, unscorable)
    rows = table(measured, suite, clap)
    same = suite.model_dump(include=SuiteInfo.model_fields.keys() - {"queries"})
    coverage = _coverage(suite, rows.column("query_id").to_pylist(), len(unscorable))
    contamination = find_contamination(suite, system.card)
    file = ScoreFile(
        lassbench_version=__version__,
        kind=suite.kind,
        suite=SuiteInfo(
            **same,
            dataset_name=suite.frozen_from.name,
            dataset_fingerprint=suite.frozen_from.fingerprint,
            queries=len(suite.queries),
        ),
        system=system_info(system, measured),
        coverage=coverage,
        metrics=_definitions(suite, clap_model),
        **dict(summarise(rows, suite.kind, bootstrap)),
        bootstrap=bootstrap,
        contamination=contamination,
        engine={"kernels": backend.name()},
        warnings=(
            *_system_warnings(system, suite, contamination),
            *_coverage_warnings(coverage, faults, unscorable),
            *_kind_warnings(measured, suite, clap=clap is not None),
        ),
        rows_sha256=rows_sha256(rows),
    )
    return Scores(file, rows)


def _nothing(suite: Suite, system: System, unscorable: Mapping[str, str]) -> LassbenchError:
    what, where = "there is nothing to score", system.card.name
    got, fix = "no usable prediction", f"make predictions for the queries of {suite.name}"
    if not suite.renderable_queries:
        what, where = "no mixture of this suite can be rendered on this machine", str(suite.path)
        got = next(iter(suite.missing.values()), "an empty suite")
        fix = "fetch the clips, or freeze a suite of the clips that are here"
    elif len(unscorable) == len(suite.renderable_queries):
        what, where = "no query of this suite can be scored, whatever the system", str(suite.path)
        got = _first([f"{one}: {reason}" for one, reason in unscorable.items()])
        fix = "use a list whose sources are not silent"
    return LassbenchError(what, where=where, got=got, fix=fix)


def _definitions(suite: Suite, clap_model: str) -> dict[str, MetricDefinition]:
    found = {name: METRICS[name] for name in metric_names(suite.kind, clap=bool(clap_model))}
    # Scores by another model are other scores.
    more = dict.fromkeys(CLAP_METRICS, f"model {clap_model}")
    if suite.kind == "unreferenced":
        more["attenuation"] = "says nothing of quality here, where the sound is in the mixture"
    for name in more.keys() & found.keys():
        said = f"{found[name].definition}; {more[name]}"
        found[name] = found[name].model_copy(update={"definition": said})
    return found


def system_info(system: System, measured: Sequence[Measured], where: object = "") -> SystemInfo:
    """What a score file says of a system.

    Raises
    ------
    FaultsError
        If a value is out of bounds: a text too long, a negative number, a cost that is none.
    """
    lines = "".join(
        f"{one.query_id} {one.samples_sha256}\n"
        for one in sorted(measured, key=lambda one: one.query_id)
    )
    said = dataclasses.asdict(system.card)
    del said["training_clips_sha256"]
    said["predictions_sha256"] = sha256_bytes(lines.encode())
    said["cost"] = system.cost.model_dump(exclude_none=True) or None
    return validate(
        SystemInfo,
        said,
        what="a score file cannot hold what is said of this system",
        where=where,
        fix=f"mend {SYSTEM_FILE}",
    )


def _coverage(suite: Suite, scored: Sequence[str], unscorable: int) -> Coverage:
    renderable = len(suite.renderable_queries) - unscorable
    return Coverage(
        queries_total=len(suite.queries),
        renderable=renderable,
        unscorable=unscorable,
        queries_scored=len(scored),
        missing_predictions=renderable - len(scored),
        partial=len(scored) < renderable,
        scored_sha256=ids_sha256(scored),
    )


def find_contamination(suite: Suite, card: SystemCard) -> Contamination:
    """The suite's clips that are, by the hash of their samples, among the training clips."""
    declared = set(card.training_clips_sha256)
    clips: tuple[str, ...] = ()
    if declared and suite.dataset is not None:
        hashes = suite.dataset.pcm_sha256
        used = {id_ for one in suite.mixtures.values() for id_ in (one.target_id, one.noise_id)}
        clips = tuple(sorted(one for one in used if hashes.get(one) in declared))
    return Contamination(declared=len(declared), clips=clips)


def _system_warnings(system: System, suite: Suite, contamination: Contamination) -> Iterator[str]:
    """What a reader has to know of the system before comparing it."""
    clips = contamination.clips
    if clips:
        yield (
            f"{len(clips)} of the suite's clips are among the clips that this system was trained "
            f"on ({_first(clips)}): its scores are not those of unseen sounds"
        )
    if system.card.query_type == "oracle":
        yield "an oracle: it was given the true sources, and is an upper bound"
    if system.card.query_type == "tag":
        yield "this system was given the target's tags, not the query's text"
    made_for = system.suite.fingerprint
    if made_for and made_for != suite.fingerprint:
        yield (
            f"the predictions were made for {system.suite.name or 'a suite'} with "
            f"fingerprint {made_for[:16]}, this suite's is {suite.fingerprint[:16]}"
        )


def _coverage_warnings(
    coverage: Coverage, faults: Sequence[Fault], unscorable: Mapping[str, str]
) -> Iterator[str]:
    """What is not in the numbers."""
    if unscorable:
        named = _first([f"{one}: {reason}" for one, reason in sorted(unscorable.items())])
        yield (
            f"{len(unscorable)} of {coverage.queries_total} queries cannot be scored, whatever "
            f"the system, and are left out ({named})"
        )
    if coverage.partial:
        yield (
            f"partial: {coverage.missing_predictions} of {coverage.renderable} queries have no "
            "usable prediction and are left out; a partial result is never ranked"
        )
    not_here = coverage.queries_total - coverage.renderable - coverage.unscorable
    if not_here:
        yield (
            f"{not_here} of {coverage.queries_total} queries cannot be rendered from the clips "
            "on this machine"
        )
    extra = sum(fault.kind == "extra" for fault in faults)
    if extra:
        yield f"{extra} files answer no query of this suite"


def _kind_warnings(measured: Sequence[Measured], suite: Suite, *, clap: bool) -> Iterator[str]:
    if suite.kind == "unreferenced" and not clap:
        yield (
            "nobody has the sources of these recordings, and attenuation says nothing of quality: "
            "CLAPScore does (`lassbench score --clap`)"
        )
    silent = sorted(one.query_id for one in measured if one.verdict.silent)
    if silent and suite.kind != "absent":
        one = len(silent) == 1
        many = "estimate is silent" if one else "estimates are silent"
        if suite.kind == "separation":
            many += f" and score{'s' * one} the worst value"
        yield f"{len(silent)} {many} ({_first(silent)})"


def warn_of_levels(measured: Sequence[Measured], system: str) -> None:
    """Warn the caller's caller of estimates at a wrong scale, and of clipped ones.

    One ``LassbenchWarning`` for each, with the count and the worst of them.
    """
    loud = [one for one in measured if one.peak > SCALE_PEAK]
    clipped = [one for one in measured if one.clipped > CLIPPED_SHARE and one.peak <= SCALE_PEAK]
    told = []
    if loud:
        worst = max(loud, key=lambda one: one.peak)
        # Resampling may take integers a little beyond their range.
        bits = next((bits for bits in (16, 24) if worst.peak < 2**bits), 32)
        told.append(
            f"{len(loud)} of {len(measured)} estimates have a peak above {SCALE_PEAK:g}, up to "
            f"{worst.peak:.0f} ({worst.query_id}): are these {bits}-bit integers? divide by "
            f"{2 ** (bits - 1)}"
        )
    if clipped:
        worst = max(clipped, key=lambda one: one.clipped)
        told.append(
            f"{len(clipped)} of {len(measured)} estimates are clipped, up to "
            f"{100 * worst.clipped:.2g} % of the samples ({worst.query_id}): make them quieter "
            "before they are written as integers, or write 32-bit floats"
        )
    for one in told:
        warnings.warn(f"{one_line(system)}: {one}", LassbenchWarning, stacklevel=3)


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


# ---------------------------------------------------------------------------
# Rows, by the written policy (:mod:`lassbench.scores`)
# ---------------------------------------------------------------------------


def improvement(value: float, mixture: float) -> float:
    """``value - mixture`` where either may be infinite.

    The worst value stays the worst whatever the mixture's is, and two perfect
    ones differ by nothing.
    """
    if value == -math.inf:
        return -math.inf
    return 0.0 if value == mixture else value - mixture


def _separation_values(verdict: Verdict) -> tuple[dict[str, float | None], list[str]]:
    """Metric columns of a separation row, and its flags."""
    values = dict(verdict.values)
    flags = []
    if verdict.silent:
        # Policy 1: silence is the worst answer, whatever the formulas make of 0/0.
        values.update(dict.fromkeys(("sdr", "sir", "sar", "si_sdr", "snr"), -math.inf))
        flags.append("silent")
    for name in ("sdr", "sir", "si_sdr", "snr"):
        values[f"{name}_i"] = improvement(values[name], values[f"{name}_mixture"])
    if values["sar"] > SAR_UNDEFINED_DB:
        # Policy 3: up to rounding there are no artefacts to measure.
        values["sar"] = math.nan
        flags.append("sar-undefined")
    return {name: _null_if_nan(value) for name, value in values.items()}, flags


def _level_values(verdict: Verdict) -> tuple[dict[str, float | None], list[str]]:
    """Metric columns of a row without references, and its flags."""
    attenuation = 0.0 - verdict.level_db  # not -0.0 for the mixture itself
    quiet = 1.0 if attenuation >= SILENT_BELOW_DB else 0.0
    values = {"attenuation": _null_if_nan(attenuation), "silent_share": quiet}
    return values, ["silent"] * verdict.silent


def _null_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def table(
    measured: Iterable[Measured],
    suite: Suite,
    clap: Mapping[str, Mapping[str, float]] | None,
) -> pa.Table:
    """The per-query table, sorted by query id; ``clap`` as :func:`make_scores` takes it."""
    values_of = _separation_values if suite.kind == "separation" else _level_values
    rows: list[dict[str, Any]] = []
    for one in sorted(measured, key=lambda one: one.query_id):
        values, flags = values_of(one.verdict)
        query = suite.queries[one.query_id]
        row = {
            **dataclasses.asdict(query),
            **dataclasses.asdict(suite.mixtures[query.mixture_id]),
            **values,
            "tags": join(query.tags),
            "audit": join(suite.findings.get(one.query_id, ())),
            "wrong_source": one.verdict.silent or one.verdict.wrong_source,
            "estimate_level_db": one.verdict.level_db,
            "flags": ";".join(flags),
        }
        rows.append(row if clap is None else {**row, **clap[one.query_id]})
    # Of these the suite's columns are taken.
    schema = rows_schema(suite.kind, clap=clap is not None, audit=bool(suite.findings))
    return pa.Table.from_pylist(rows, schema=schema)

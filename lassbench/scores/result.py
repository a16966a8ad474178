"""From measurements to a score: rows by the written policy, coverage, contamination, warnings."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lassbench import __version__
from lassbench.cards import Cost, PublicCard, SystemCard
from lassbench.checked import validate
from lassbench.csv_files import join
from lassbench.errors import Fault, LassbenchError, LassbenchWarning, one_line
from lassbench.files import sha256_bytes
from lassbench.metrics import kernels
from lassbench.scores.pieces import Measured
from lassbench.scores.rows import (
    METRICS,
    SAR_UNDEFINED_DB,
    SILENT_BELOW_DB,
    improvement,
    in_order,
    rows_schema,
    rows_sha256,
)
from lassbench.scores.score_file import (
    Contamination,
    Coverage,
    ScoreFile,
    Scores,
    SuiteInfo,
    SystemInfo,
)
from lassbench.suites.suite import Suite
from lassbench.systems.predictions import SYSTEM_FILE, SystemFile

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
    system: SystemFile,
    *,
    run: str = "",
    clap: Mapping[str, Mapping[str, float]] | None = None,
    clap_model: str = "",
    faults: Sequence[Fault] = (),
    unscorable: Mapping[str, str],
) -> Scores:
    """The score file and rows of one system.

    Parameters
    ----------
    run
        Which run of the system this is, where it has several.
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
        left = len(suite.renderable_queries) > len(unscorable)
        raise LassbenchError(
            "there is nothing to score",
            where=f"{system.name} on {suite.name}",
            got="no usable prediction" if left else _first({**suite.missing, **unscorable}),
            fix="make predictions for its queries"
            if left
            else "fetch the clips that are missing, or use a list whose sources are not silent",
        )
    rows = make_rows(measured, suite, clap)
    coverage = Coverage(
        queries_total=len(suite.queries),
        renderable=len(suite.renderable_queries) - len(unscorable),
        unscorable=len(unscorable),
        queries_scored=len(rows),
    )
    file = ScoreFile(
        lassbench_version=__version__,
        kind=suite.kind,
        suite=suite_info(suite),
        system=system_info(system, measured, run=run),
        coverage=coverage,
        definitions={name: METRICS[name].id for name in in_order(rows.columns)},
        clap_model=clap_model,
        contamination=find_contamination(suite, system),
        engine={"kernels": kernels.name()},
        warnings=_warnings(system, suite, coverage, rows, faults=faults, unscorable=unscorable),
        rows_sha256=rows_sha256(rows),
    )
    return Scores(file, rows)


def suite_info(suite: Suite) -> SuiteInfo:
    """What a score file says of a suite."""
    return SuiteInfo(
        **suite.model_dump(include=SuiteInfo.model_fields.keys() - {"queries"}),
        dataset_name=suite.frozen_from.name,
        dataset_fingerprint=suite.frozen_from.fingerprint,
        queries=len(suite.queries),
    )


def system_info(
    system: SystemFile, measured: Sequence[Measured], where: object = "", *, run: str = ""
) -> SystemInfo:
    """What a score file says of a system.

    Raises
    ------
    FaultsError
        If a value is out of bounds: a text too long, a negative number, a cost that is none.
    """
    said = system.model_dump(mode="json", include={*PublicCard.model_fields})
    hashes = {one.query_id: one.samples_sha256 for one in measured}
    said |= {"run": run, "predictions_sha256": predictions_sha256(hashes)}
    said["cost"] = system.cost.model_dump() if system.cost != Cost() else None
    return validate(
        SystemInfo,
        said,
        what="a score file cannot hold what is said of this system",
        where=where,
        fix=f"mend {SYSTEM_FILE}, or give another --name",
    )


def predictions_sha256(hashes: Mapping[str, str]) -> str:
    """One hash of all answers, from query_id -> the hash of an answer's samples."""
    return sha256_bytes("".join(f"{one} {hashes[one]}\n" for one in sorted(hashes)).encode())


def find_contamination(suite: Suite, card: SystemCard) -> Contamination:
    """The suite's clips that are, by the hash of their samples, among the training clips."""
    if suite.dataset is None:  # whose clips' hashes nobody has here: nothing is known
        return Contamination()
    declared, hashes = set(card.training_clips_sha256), suite.dataset.pcm_sha256
    used = {id_ for one in suite.mixtures.values() for id_ in (one.target_id, one.noise_id)}
    clips = tuple(sorted(one for one in used if hashes.get(one) in declared))
    return Contamination(declared=len(declared), clips=clips)


def _warnings(
    system: SystemFile,
    suite: Suite,
    coverage: Coverage,
    rows: pd.DataFrame,
    *,
    faults: Sequence[Fault],
    unscorable: Mapping[str, str],
) -> tuple[str, ...]:
    """What a reader has to know: of the system, of what is not in the numbers, of silence."""
    card, total, separation = system, coverage.queries_total, suite.kind == "separation"
    made_for = system.suite.fingerprint or suite.fingerprint
    not_here = total - coverage.renderable - coverage.unscorable
    extra = sum(fault.kind == "extra" for fault in faults)
    silent = rows["query_id"][rows["flags"] == "silent"]
    table = {
        "an oracle: it was given the true sources, and is an upper bound": (
            card.query_type == "oracle"
        ),
        "this system was given the target's tags, not the query's text": card.query_type == "tag",
        "a generative system: SDR, SI-SDR and SNR punish it for a phase that nobody hears; "
        "--spectral and --clap do not": card.generative and separation and "mrstft" not in rows,
        f"the predictions were made for {system.suite.name or 'a suite'} with fingerprint "
        f"{made_for[:16]}, this suite's is {suite.fingerprint[:16]}": made_for != suite.fingerprint,
        f"{len(unscorable)} of {total} queries cannot be scored, whatever the system, and are "
        f"left out ({_first(unscorable)})": unscorable,
        f"partial: {coverage.missing_predictions} of {coverage.renderable} queries have no usable "
        "prediction and are left out; a partial result is never ranked": coverage.partial,
        f"{not_here} of {total} queries cannot be rendered from the clips that are here": not_here,
        f"{extra} files answer no query of this suite": extra,
        "nobody has the sources of these recordings, and attenuation says nothing of quality: "
        "CLAPScore does (`lassbench score --clap`)": (
            suite.kind == "unreferenced" and "clap" not in rows
        ),
        f"{len(silent)} silent estimates{', which score the worst value' * separation} "
        f"({_first(dict.fromkeys(silent))})": len(silent) and suite.kind != "absent",
    }
    return tuple(words for words, holds in table.items() if holds)


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


def _first(reasons: Mapping[str, str | None]) -> str:
    """The first few ids, with their reasons if they have some."""
    told = [f"{one}: {reason}" if reason else one for one, reason in sorted(reasons.items())]
    return ", ".join(told[:3]) + (" ..." if len(told) > 3 else "")


# ---------------------------------------------------------------------------
# Rows, by the written policy (:mod:`lassbench.scores.rows`)
# ---------------------------------------------------------------------------


def make_rows(
    measured: Sequence[Measured], suite: Suite, clap: Mapping[str, Mapping[str, float]] | None
) -> pd.DataFrame:
    """The per-query rows, sorted by query id; ``clap`` as :func:`make_scores` takes it."""
    ordered = sorted(measured, key=lambda one: one.query_id)
    described = []
    for one in ordered:
        query = suite.queries[one.query_id]
        described.append(
            {
                **dataclasses.asdict(query),
                **dataclasses.asdict(suite.mixtures[query.mixture_id]),
                **one.verdict.values,
                **(clap[one.query_id] if clap is not None else {}),
                "tags": join(query.tags),
                "audit": join(suite.findings.get(one.query_id, ())),
                "wrong_source": one.verdict.silent or one.verdict.wrong_source,
                "estimate_level_db": one.verdict.level_db,
            }
        )
    rows = pd.DataFrame(described)
    silent = np.array([one.verdict.silent for one in ordered])
    rows["flags"] = np.where(silent, "silent", "")
    if suite.kind == "separation":
        # Policy 1: silence is the worst answer, whatever the formulas make of 0/0.
        rows.loc[silent, ["sdr", "sir", "sar", "si_sdr", "snr"]] = -np.inf
        for name in ("sdr", "sir", "si_sdr", "snr"):
            rows[f"{name}_i"] = improvement(rows[name], rows[f"{name}_mixture"])
        # Policy 3: up to rounding there are no artefacts to measure.
        undefined = rows["sar"] > SAR_UNDEFINED_DB
        rows["sar"] = rows["sar"].mask(undefined)
        rows.loc[undefined, "flags"] = "sar-undefined"
    else:
        # + 0.0: not -0.0 for the mixture itself.
        rows["attenuation"] = -rows["estimate_level_db"] + 0.0
        rows["silent_share"] = (rows["attenuation"] >= SILENT_BELOW_DB).astype(np.float64)
    more = {*rows.columns} - ({"audit"} if not suite.findings else set())
    return rows.reindex(columns=rows_schema(suite.kind, more).names)

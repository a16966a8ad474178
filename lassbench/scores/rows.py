"""The per-query rows of a score: their columns, and what the numbers in them mean.

Rows are a pandas DataFrame, one row a query, sorted by ``query_id``
(:func:`rows_schema`); everything else that is said of a system, every mean,
interval, breakdown and rank, is computed from them by :mod:`lassbench.scores.summary`.

The policy ``lassbench-policy-1``
---------------------------------
Its version stands for every metric's definition (:data:`METRICS`: another id under the same
name asks for another version), and for what is done with values that are not ordinary
numbers:

1. **Silence is the worst answer.**  An estimate whose samples are all zero has
   ``-inf`` in every ratio of a separation suite and counts as the wrong
   source.  (The formula of SNR alone would give silence 0 dB, which is better
   than many honest attempts, and 0/0 for the others.)  In an absent-sound
   suite silence is the right answer: its attenuation is ``+inf``.  The CLAPScore
   of silence is -1, the least possible.
2. **Infinities are kept and limited.**  Rows hold them as they are.  Means,
   medians, intervals and tests see every value limited to
   ±:data:`LIMIT_DB` dB: so a silent output pulls a mean down by a known
   amount and can never raise it, and a mean of finite values stays what anyone
   would compute.  ``n_infinite`` and ``n_limited`` count the cases.
3. **Undefined is null (NaN), and never hides a bad answer.**  A value is null only
   where the references make it meaningless for every system, and for SAR above
   :data:`SAR_UNDEFINED_DB`: the estimate then lies in the span of the
   references up to rounding, as the unprocessed mixture does, and its SAR
   measures a library's precision (300 dB in one, 74 in another).  Nulls are
   counted in ``n_undefined`` and left out of means; a SAR that is left out is
   always a high one, so that leaving it out can only lower the mean.  An
   improvement is ``-inf`` where the value is, and 0 where value and mixture
   are equally perfect.
4. **Missing is an error.**  A query without a prediction stops the scoring.
   ``--allow-partial`` scores the rest and marks the file ``partial``; partial
   files are never ranked.
5. **What nobody can be scored on is left out for everybody.**  A query whose
   target or interference is silent has no row; coverage counts it as
   ``unscorable``, and a warning names it.  That makes no result partial.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from lassbench.errors import UsageError, did_you_mean

#: Means, intervals and tests see values limited to plus or minus this (dB).
LIMIT_DB = 100.0
#: A SAR above this measures rounding, not artefacts, and is undefined (dB).
SAR_UNDEFINED_DB = 60.0
#: An output this far below the mixture counts as silent in an absent-sound suite (dB).
SILENT_BELOW_DB = 20.0

Kind = Literal["separation", "absent", "unreferenced"]
#: What scores and entries were made by.
Policy = Literal["lassbench-policy-1"]


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """What a number means: ``id`` names the exact definition, for good.

    ``called`` is what others call this number (FACTS section 7): "SDRi" alone has two
    meanings.
    """

    id: str
    unit: str
    title: str
    definition: str
    called: str = ""
    better: Literal["higher", "lower"] = "higher"

    @property
    def heading(self) -> str:
        """``SI-SDRi (dB)``."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def explained(self) -> str:
        """The definition, and what others call it."""
        return f"{self.definition}; {self.called}" if self.called else self.definition


_BSS = "BSS Eval v3 (sources), 512 taps, references [target, interference], never permuted"
_BSS_USERS = "of LASS-Net, ZeroSep and OmniSep"

# name -> id, unit, title, definition, what others call it, what others call its improvement
# (``None`` where an improvement says nothing)
_BASE = {
    "sdr": ("bsseval-v3-sources-512-sdr", "dB", "SDR", f"signal to distortion; {_BSS}",
            f"the SDR {_BSS_USERS}", "the SDRi of CLAPSep"),
    "sir": ("bsseval-v3-sources-512-sir", "dB", "SIR", f"signal to interference; {_BSS}",
            f"the SIR {_BSS_USERS}", ""),
    "sar": ("bsseval-v3-sources-512-sar", "dB", "SAR",
            f"signal to artefacts; {_BSS}; says nothing alone: what leaves the mixture as it is "
            "has none", f"the SAR {_BSS_USERS}", None),
    "si_sdr": ("si-sdr-scale-no-mean", "dB", "SI-SDR",
               "10 log10(|a s|^2 / |a s - e|^2), a = <e,s>/<s,s>, no mean removal",
               "the SI-SDR of AudioSep", ""),
    "snr": ("snr", "dB", "SNR", "10 log10(|s|^2 / |s - e|^2), no filter, no scaling",
            "the SDR of AudioSep and DCASE",
            "the SDRi of AudioSep, DCASE 2024 Task 9, FlowSep and Hive"),
    "clap": ("clap-score", "", "CLAPScore", "cosine of the CLAP embeddings of estimate and text",
             "", ""),
    "clap_a": ("clap-score-audio", "", "CLAPScore-A",
               "cosine of the CLAP embeddings of estimate and reference", "", None),
    "mrstft": ("multi-resolution-stft-distance", "", "MR-STFT",
               "spectral convergence plus mean difference of log magnitudes, over three "
               "resolutions", "", None),
    "lsd": ("log-spectral-distance", "dB", "LSD",
            "mean over frames of the root mean square difference of log spectra",
            "ten times the LSD of AudioSR", None),
    "attenuation": ("absent-attenuation", "dB", "attenuation",
                    "10 log10(|mixture|^2 / |e|^2): how far below the mixture the output stays; "
                    "right where the sound is absent, says nothing of quality elsewhere",
                    "", None),
    "silent_share": ("absent-silent-share-20", "share", "silent",
                     f"share of queries whose output stays {SILENT_BELOW_DB:g} dB below the "
                     "mixture", "", None),
}  # fmt: skip
#: Distances of magnitudes, which do not ask for the phase.
SPECTRAL_METRICS = ("mrstft", "lsd")


def _definitions() -> dict[str, MetricDefinition]:
    found = {}
    for name, (id_, unit, title, definition, called, improved) in _BASE.items():
        better: Literal["higher", "lower"] = "lower" if name in SPECTRAL_METRICS else "higher"
        found[name] = MetricDefinition(id_, unit, title, definition, called, better)
        if improved is not None:
            minus = f"{title} of the estimate minus that of the mixture"
            found[f"{name}_i"] = MetricDefinition(
                f"{id_}-improvement", unit, f"{title}i", minus, improved
            )
    return found


#: Every metric that rows may hold.
METRICS: Mapping[str, MetricDefinition] = _definitions()

SEPARATION_METRICS = (
    "sdr", "sir", "sar", "si_sdr", "snr", "sdr_i", "sir_i", "si_sdr_i", "snr_i",
)  # fmt: skip
#: What a suite of each kind is scored in, beside what is asked for.
KIND_METRICS: Mapping[Kind, tuple[str, ...]] = {
    "separation": SEPARATION_METRICS,
    "absent": ("attenuation", "silent_share"),
    "unreferenced": ("attenuation",),
}
#: Metrics of the unprocessed mixture that every separation row carries.
MIXTURE_COLUMNS = ("sdr_mixture", "sir_mixture", "si_sdr_mixture", "snr_mixture")
#: One CLAP model's opinion, which another's cannot be compared with.
CLAP_METRICS = ("clap", "clap_i", "clap_a")
# In tables; what is not here is no metric of a system (MIXTURE_COLUMNS and the like).
_ORDER = (*SEPARATION_METRICS, *KIND_METRICS["absent"], *CLAP_METRICS, *SPECTRAL_METRICS)


def in_order(names: Iterable[str]) -> list[str]:
    """The metrics among ``names``, in the order in which tables show them."""
    given = set(names)
    return [name for name in _ORDER if name in given]


def metric_named(name: str, among: Iterable[str] = METRICS) -> str:
    """The metric that ``name`` is, or is the title or heading of (``SI-SDRi`` is ``si_sdr_i``).

    Raises
    ------
    UsageError
        If it is none of ``among``.
    """
    known = in_order(among)
    said = {
        words.casefold(): one
        for one in known
        for words in (one, METRICS[one].title, METRICS[one].heading)
    }
    found = said.get(name.casefold(), "")
    if not found:
        near = did_you_mean(name, [*known, *(METRICS[one].title for one in known)])
        raise UsageError(
            f"no metric {name!r} here{near}",
            expected=", ".join(f"{one} ({METRICS[one].title})" for one in known),
        )
    return found


def seen(rows: pd.DataFrame, metric: str) -> NDArray[np.float64]:
    """A metric's column as means see it: decibels limited to ±:data:`LIMIT_DB`."""
    values: NDArray[np.float64] = rows[metric].to_numpy(np.float64)
    if metric in METRICS and METRICS[metric].unit != "dB":
        return values
    return np.clip(values, -LIMIT_DB, LIMIT_DB)


def improvement(value: pd.Series[float], mixture: pd.Series[float]) -> pd.Series[float]:
    """``value - mixture`` where either may be infinite.

    The worst value stays the worst whatever the mixture's is, and two perfect
    ones differ by nothing.
    """
    with np.errstate(invalid="ignore"):
        return (value - mixture).mask(value == mixture, 0.0).mask(value == -np.inf, -np.inf)


_TEXT_COLUMNS = (
    "query_id", "mixture_id", "target_id", "noise_id", "concept", "root", "noise_concept",
    "tags", "query_type", "annotator", "text",
)  # fmt: skip


def rows_schema(kind: Kind, more: Collection[str] = ()) -> pa.Schema:
    """Columns of the per-query rows of a suite of this kind, in order.

    Text columns first (``tags`` joined by :data:`lassbench.records.TAG_SEPARATOR`; likewise
    ``audit``, what is questionable about a query, where the suite has any that is), then
    metrics in dB as float64 (CLAPScores without a unit), then ``wrong_source`` (separation
    only), ``estimate_level_db`` (energy of the estimate relative to the mixture's) and
    ``flags`` (words joined by ``;``).

    Parameters
    ----------
    more
        What these rows have beside: any of ``audit``, ``clap``, ``clap_a`` and ``mrstft``
        (each stands for its group of columns).
    """
    texts = (*_TEXT_COLUMNS, *["audit"] * ("audit" in more))
    fields = [pa.field(name, pa.string(), nullable=False) for name in texts]
    metrics = list(KIND_METRICS[kind])
    if kind == "separation":
        metrics[5:5] = MIXTURE_COLUMNS
    if "clap" in more:
        metrics += ("clap", "clap_mixture", "clap_i")
    for group in (("clap_a",), SPECTRAL_METRICS):
        if group[0] in more:
            metrics += [column for one in group for column in (one, f"{one}_mixture")]
    fields += [pa.field(name, pa.float64()) for name in metrics]
    if kind == "separation":
        fields.append(pa.field("wrong_source", pa.bool_(), nullable=False))
    fields += [
        pa.field("estimate_level_db", pa.float64(), nullable=False),
        pa.field("flags", pa.string(), nullable=False),
    ]
    return pa.schema(fields)


def rows_sha256(rows: pd.DataFrame) -> str:
    """SHA-256 over the content of ``rows``, whatever library or codec stored them.

    Column by column: name, type, then the values; floats as little-endian
    float64 bit patterns (undefined as the bytes ``null``), text length-prefixed.
    """
    digest = sha256()
    for name, values in rows.items():
        if pd.api.types.is_float_dtype(values.dtype):
            kind, numbers = "double", values.to_numpy("<f8")
            data = numbers.tobytes()
            if np.isnan(numbers).any():
                parts = zip(np.isnan(numbers), numbers, strict=True)
                data = b"".join(b"null\n" if null else struct.pack("<d", x) for null, x in parts)
        elif pd.api.types.is_bool_dtype(values.dtype):
            kind, data = "bool", b"".join(b"true\n" if one else b"false\n" for one in values)
        else:
            kind, texts = "string", [one.encode() for one in values.tolist()]
            data = b"".join(struct.pack("<q", len(one)) + one for one in texts)
        digest.update(f"{name}:{kind}:{len(values)}\n".encode())
        digest.update(data)
    return digest.hexdigest()

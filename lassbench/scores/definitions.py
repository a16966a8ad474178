"""Metrics by name, their definitions, and how means see their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from lassbench.checked import Label, Strict, Text

SCHEMA_VERSION = 1

#: Means, intervals and tests see values limited to plus or minus this (dB).
LIMIT_DB = 100.0
#: A SAR above this measures rounding, not artefacts, and is undefined (dB).
SAR_UNDEFINED_DB = 60.0
#: An output this far below the mixture counts as silent in an absent-sound suite (dB).
SILENT_BELOW_DB = 20.0

Kind = Literal["separation", "absent"]


class MetricDefinition(Strict):
    """What a number means: ``id`` names the exact definition, for good."""

    id: Label
    unit: str
    title: Label
    better: Literal["higher", "lower"] = "higher"
    definition: Text = ""

    @property
    def heading(self) -> str:
        """``SI-SDRi (dB)``."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


_BSS = "BSS Eval v3 (sources), 512 taps, references [target, interference], never permuted"

# name, id, unit, title, definition
_BASE = (
    ("sdr", "bsseval-v3-sources-512-sdr", "dB", "SDR", f"signal to distortion; {_BSS}"),
    ("sir", "bsseval-v3-sources-512-sir", "dB", "SIR", f"signal to interference; {_BSS}"),
    ("sar", "bsseval-v3-sources-512-sar", "dB", "SAR", f"signal to artefacts; {_BSS}"),
    ("si_sdr", "si-sdr-scale-no-mean", "dB", "SI-SDR",
     "10 log10(|a s|^2 / |a s - e|^2), a = <e,s>/<s,s>, no mean removal"),
    ("snr", "snr", "dB", "SNR",
     "10 log10(|s|^2 / |s - e|^2), no filter, no scaling; called SDR in AudioSep and DCASE"),
    ("clap", "clap-score", "", "CLAPScore", "cosine of the CLAP embeddings of estimate and text"),
    ("attenuation", "absent-attenuation", "dB", "attenuation",
     "10 log10(|mixture|^2 / |e|^2): how far below the mixture the output stays"),
    ("silent_share", "absent-silent-share-20", "share", "silent",
     f"share of queries whose output stays {SILENT_BELOW_DB:g} dB below the mixture"),
)  # fmt: skip


def _definitions() -> dict[str, MetricDefinition]:
    base = {
        name: MetricDefinition(id=id_, unit=unit, title=title, definition=definition)
        for name, id_, unit, title, definition in _BASE
    }
    improvements = {
        f"{name}_i": MetricDefinition(
            id=f"{base[name].id}-improvement",
            unit=base[name].unit,
            title=f"{base[name].title}i",
            definition=f"{base[name].title} of the estimate minus that of the mixture",
        )
        for name in ("sdr", "sir", "si_sdr", "snr", "clap")
    }
    return {**base, **improvements}


#: Every metric that a score file may hold.
METRICS: Mapping[str, MetricDefinition] = _definitions()

SEPARATION_METRICS = (
    "sdr", "sir", "sar", "si_sdr", "snr", "sdr_i", "sir_i", "si_sdr_i", "snr_i",
)  # fmt: skip
ABSENT_METRICS = ("attenuation", "silent_share")
CLAP_METRICS = ("clap", "clap_i")
_ORDER = (*SEPARATION_METRICS, *ABSENT_METRICS, *CLAP_METRICS)
#: Metrics of the unprocessed mixture that every separation row carries.
MIXTURE_COLUMNS = ("sdr_mixture", "sir_mixture", "si_sdr_mixture", "snr_mixture")


Value = TypeVar("Value")


def concept_pair(target: str, noise: str) -> str:
    """How breakdowns name a pair of concepts: what is asked for, and what lies over it."""
    return f"{target} + {noise}"


def in_order(by_metric: Mapping[str, Value]) -> dict[str, Value]:
    """``by_metric`` in the order in which tables show metrics (JSON sorts by name)."""
    return {name: by_metric[name] for name in _ORDER if name in by_metric}


def limited(values: NDArray[np.float64], metric: str = "sdr") -> NDArray[np.float64]:
    """``values`` as means see them: limited to ±:data:`LIMIT_DB` if they are decibels."""
    definition = METRICS.get(metric)
    if definition is not None and definition.unit != "dB":
        return values
    return np.clip(values, -LIMIT_DB, LIMIT_DB)

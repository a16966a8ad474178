"""The JSON half of a score, as pydantic models that refuse what they do not know."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lassbench.checked import Count, Finite, Label, PathName, Sha256, Strict, Text
from lassbench.scores.definitions import Kind, MetricDefinition


class SuiteInfo(Strict):
    """The suite that was scored against, by content."""

    name: Annotated[PathName, Field(min_length=1, max_length=200)]
    title: Text = ""
    fingerprint: Sha256
    list_fingerprint: Sha256
    dataset_name: str = ""
    dataset_fingerprint: str = ""
    synthetic: bool
    audio_may_be_published: bool
    sample_rate_hz: Annotated[int, Field(gt=0, le=10**15)]
    samples: Annotated[int, Field(gt=0, le=10**15)]
    queries: Count


class Cost(Strict):
    """What the system took: processing time over audio time, and on what."""

    real_time_factor: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    device: Annotated[str, Field(max_length=200)] = ""


class SystemInfo(Strict):
    """Who made the estimates and what they were allowed to see (from ``system.yaml``).

    ``query_type`` is what the system receives: the ``text``, the target's tags
    (``tag``), the references themselves (``oracle``: an upper bound, never
    ranked), or nothing (``none``).
    """

    name: Label
    authors: Text = ""
    url: Annotated[str, Field(max_length=2000)] = ""
    description: Text = ""
    parameters: Count | None = None
    query_type: Literal["text", "tag", "oracle", "none"] = "text"
    trained_on: tuple[Text, ...] = ()
    checkpoint_sha256: str = ""
    cost: Cost | None = None
    predictions_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""


class Contamination(Strict):
    """Test clips that the system says it was trained on.

    ``declared`` is the number of training clips that ``system.yaml`` lists by
    hash (0: it lists none, so that nothing is known), ``clips`` the ids of the
    suite's clips among them.
    """

    declared: Count = 0
    clips: tuple[str, ...] = ()


class Coverage(Strict):
    """Which of the frozen queries the numbers stand on.

    ``queries_total`` counts the frozen list, ``renderable`` those whose clips
    this machine has, ``queries_scored`` those with a row here.  ``partial``
    means that predictions were missing or faulty and were left out.
    """

    queries_total: Count
    renderable: Count
    queries_scored: Count
    missing_predictions: Count = 0
    partial: bool = False
    scored_sha256: Sha256

    @model_validator(mode="after")
    def _adds_up(self) -> Coverage:
        if not self.queries_scored <= self.renderable <= self.queries_total:
            raise ValueError("queries_scored <= renderable <= queries_total does not hold")
        if self.partial != (self.queries_scored < self.renderable):
            raise ValueError("partial must be true exactly when renderable queries were left out")
        return self


class Cell(Strict):
    """A mean with its 95 % interval over ``n`` values; null where nothing is defined."""

    mean: Finite | None
    ci_low: Finite | None
    ci_high: Finite | None
    n: Count


class MetricSummary(Cell):
    """A metric over all scored queries, with the counts that the policy asks for."""

    median: Finite | None
    n_infinite: Count = 0
    n_limited: Count = 0
    n_undefined: Count = 0


class AnnotatorSpread(Strict):
    """How much a metric depends on who asked (suites with several annotators).

    ``mean`` and ``spread`` are of the annotators' means, ``worst`` is the lowest
    of them and ``worst_annotator`` whose it is; ``worst_of_mixture`` is the mean
    over mixtures of the lowest value anyone got, ``within_mixture_sd`` how far
    one mixture's result moves with the person asking, ``asker_share`` the share
    of all variance that this explains (:func:`lassbench.statistics.asker_spread`).
    """

    annotators: Count
    mixtures: Count
    mean: Finite
    spread: Finite
    worst: Finite
    worst_annotator: str
    worst_of_mixture: Finite
    within_mixture_sd: Finite
    asker_share: Finite


class Bootstrap(Strict):
    """How the intervals were made."""

    resamples: Count
    seed: Annotated[int, Field(ge=0)]
    unit: Literal["target"] = "target"
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95


Breakdowns = dict[str, dict[str, dict[str, Cell]]]


class Summary(Strict):
    """What a score file says that can be made from its rows again."""

    summary: dict[str, MetricSummary]
    breakdowns: Breakdowns
    annotators: dict[str, AnnotatorSpread]
    wrong_source_share: float | None
    targets: Count


class ScoreFile(Strict):
    """A system's score on a suite: everything but the per-query rows."""

    schema_version: Literal[1] = 1
    lassbench_version: str
    kind: Kind
    suite: SuiteInfo
    system: SystemInfo
    coverage: Coverage
    metrics: dict[str, MetricDefinition]
    summary: dict[str, MetricSummary]
    breakdowns: Breakdowns
    annotators: dict[str, AnnotatorSpread] = Field(default_factory=dict)
    wrong_source_share: Annotated[float, Field(ge=0, le=1)] | None
    targets: Count
    bootstrap: Bootstrap
    contamination: Contamination = Contamination()
    policy: Literal["lassbench-policy-1"] = "lassbench-policy-1"
    engine: dict[str, str] = Field(default_factory=dict)
    warnings: tuple[Text, ...] = ()
    rows_sha256: Sha256

    @model_validator(mode="after")
    def _summary_is_defined(self) -> ScoreFile:
        undefined = sorted(set(self.summary) ^ set(self.metrics))
        if undefined:
            raise ValueError(f"summary and metrics name different metrics: {', '.join(undefined)}")
        return self

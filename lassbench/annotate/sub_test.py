"""From descriptions to a suite: one query an annotator and mixture, and a card.

The card (``sub-test.json`` in the suite folder) says who wrote (pseudonyms),
when, under which versions of guidelines and consent text, and, for each
description, how it was made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lassbench import __version__, csv_files
from lassbench.annotate import checks, exchange
from lassbench.annotate.campaign import QUERY_TYPES, Campaign
from lassbench.annotate.checks import Finding
from lassbench.annotate.language import Detector
from lassbench.annotate.store import Answer, Store
from lassbench.benchmark import manifests
from lassbench.errors import Fault, FaultsError
from lassbench.records import Mixture, Query, repeats
from lassbench.suites.freezing import SuitePlan

if TYPE_CHECKING:
    from lassbench.dataset import Dataset

CARD = "sub-test.json"


def plan_sub_test(
    store: Store,
    dataset: Dataset,
    *,
    allow_missing: bool = False,
    allow_warnings: bool = False,
    check_language: bool = True,
) -> SuitePlan:
    """Check everything that was written once more, and plan the suite and its card.

    Parameters
    ----------
    allow_missing
        Leave out what nobody has finished, or what an annotator cannot tell.
    allow_warnings
        Go on although checks have warnings; the card then counts them.

    Raises
    ------
    FaultsError
        Naming every description that is missing or wrong.
    """
    campaign, answers = store.campaign, store.answers()
    done = {key: answer for key, answer in answers.items() if answer.state == "done"}
    detector = Detector(campaign.language) if check_language else None
    captions = {clip_id: dataset.clips[clip_id].captions for clip_id in campaign.clips}
    found = checks.check_collection({k: a.text for k, a in done.items()}, captions, detector)
    missing = _missing(campaign, answers)
    faults = [] if allow_missing else list(missing.values())
    faults += _faults(found, allow_warnings)
    faults += _without_consent(store, done)
    if faults:
        raise FaultsError(
            "the descriptions cannot be frozen",
            faults,
            where=store.path,
            fix=(
                "flag them on the coordinator's page; --allow-missing leaves out what is missing, "
                "--allow-warnings freezes in spite of warnings"
            ),
        )
    if not done:
        raise FaultsError(
            "nothing to freeze", missing.values(), where=store.path, fix="collect descriptions"
        )
    suite = _suite(campaign, dataset, done)
    card = _card(store, suite, done, missing, found)
    return replace(suite, papers={CARD: card})


def _missing(
    campaign: Campaign, answers: Mapping[tuple[str, str], Answer]
) -> dict[tuple[str, str], Fault]:
    """(annotator, clip_id) -> why there is no description."""
    missing = {}
    for who in campaign.annotators:
        for clip_id in (*campaign.clips, *campaign.absent):
            answer = answers.get((who, clip_id))
            where = f"{who}, {clip_id}"
            if clip_id in campaign.absent:
                fault = Fault("absent clip", where, "its audio is not in this dataset")
            elif answer is None or (answer.state == "draft" and not answer.text):
                fault = Fault("not written", where, "is not written yet")
            elif answer.state == "draft":
                fault = Fault("draft", where, "is written but not finished")
            elif answer.state == "cannot":
                fault = Fault("cannot tell", where, f"the annotator cannot tell: {answer.reason}")
            else:
                continue
            missing[who, clip_id] = fault
    return missing


def _faults(found: Mapping[tuple[str, str], list[Finding]], allow_warnings: bool) -> list[Fault]:
    return [
        Fault(finding.kind, f"{who}, {clip_id}", finding.message)
        for (who, clip_id), findings in found.items()
        for finding in findings
        if finding.level == "error" or not allow_warnings
    ]


def _without_consent(store: Store, done: Mapping[tuple[str, str], Answer]) -> list[Fault]:
    """People who wrote on the page agreed there; imports answer for themselves."""
    people = {who for (who, _), answer in done.items() if answer.source == "annotator"}
    return [
        Fault("no consent", who, "has not agreed to the consent text of this campaign")
        for who in sorted(people - set(store.consents()))
    ]


def _suite(
    campaign: Campaign, dataset: Dataset, done: Mapping[tuple[str, str], Answer]
) -> SuitePlan:
    clips = dataset.corpus_clips
    ids = campaign.query_ids()
    queries: list[Query] = []
    mixtures: list[Mixture] = []
    for mixture in campaign.mixtures:
        asked = [
            Query(
                query_id=ids[mixture.mixture_id, who],
                mixture_id=mixture.mixture_id,
                text=done[who, mixture.target_id].text,
                tags=clips[mixture.target_id].tags,
                query_type=QUERY_TYPES[done[who, mixture.target_id].source],
                annotator=who,
            )
            for who in campaign.annotators
            if (who, mixture.target_id) in done
        ]
        queries += asked
        mixtures += [mixture] if asked else []
    sources = Counter(answer.source for answer in done.values())
    made = ", ".join(f"{count} {source}" for source, count in sorted(sources.items()))
    return SuitePlan(
        campaign.name,
        campaign.title,
        "separation",
        mixtures,
        queries,
        clips,
        benchmark=dataset.card.benchmark,
        notes=(
            f"{len(done)} descriptions ({made}), language {campaign.language}, guidelines "
            f"{campaign.guidelines_version}, consent text {campaign.consent_version}; see {CARD}"
        ),
    )


def _card(
    store: Store,
    suite: SuitePlan,
    done: Mapping[tuple[str, str], Answer],
    missing: Mapping[tuple[str, str], Fault],
    found: Mapping[tuple[str, str], list[Finding]],
) -> dict[str, Any]:
    campaign, consents = store.campaign, store.consents()
    people = []
    for who in campaign.annotators:
        own = [answer for (name, _), answer in done.items() if name == who]
        people.append(
            {
                "annotator": who,
                "descriptions": len(own),
                "sources": dict(sorted(Counter(answer.source for answer in own).items())),
                "first_day": exchange.iso(min((a.first_at for a in own), default=0.0))[:10],
                "last_day": exchange.iso(max((a.last_at for a in own), default=0.0))[:10],
                "agreed_to_consent": who in consents,
            }
        )
    descriptions = [
        {
            "annotator": who,
            "clip_id": clip_id,
            "description": done[who, clip_id].text,
            "description_source": done[who, clip_id].source,
            "warnings": [finding.kind for finding in found.get((who, clip_id), ())],
        }
        for who, clip_id in sorted(done)
    ]
    return {
        "schema_version": 1,
        "lassbench_version": __version__,
        "campaign": exchange.describe(campaign),
        "guidelines": campaign.guidelines,
        "consent": campaign.consent,
        "annotators": people,
        "descriptions": descriptions,
        "left_out": [
            {"annotator": who, "clip_id": clip_id, "kind": fault.kind, "reason": fault.reason}
            for (who, clip_id), fault in sorted(missing.items())
        ],
        "queries": {
            "frozen": len(suite.queries),
            "left_out": len(campaign.query_ids()) - len(suite.queries),
        },
    }


def list_text(store: Store, dataset: Dataset) -> str:
    """The rows of the sub-test's list, with what is finished filled in.

    For LASS-2022 these are the rows of ``manifests/lass-2022/lass-sub-test.csv``.
    """
    campaign, answers = store.campaign, store.answers()
    clips = dataset.corpus_clips
    mixtures = {mixture.mixture_id: mixture for mixture in campaign.mixtures}
    repeated = repeats(campaign.mixtures)
    rows = []
    for (mixture_id, who), query_id in campaign.query_ids().items():
        mixture = mixtures[mixture_id]
        answer = answers.get((who, mixture.target_id))
        done = answer is not None and answer.state == "done"
        rows.append(
            (
                *(query_id, mixture_id, mixture.target_id, mixture.noise_id),
                *(f"{mixture.snr_db:g}", clips[mixture.target_id].concept, who),
                *((answer.text, answer.source) if answer is not None and done else ("", "")),
                manifests.REPEATED if mixture_id in repeated else "",
            )
        )
    return csv_files.write_table(manifests.SUITE_COLUMNS["sub_test"], rows)

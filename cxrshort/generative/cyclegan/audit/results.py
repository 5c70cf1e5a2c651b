"""The tables of an audit, from edits, regions and scores: a row per image, region, classifier or set."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.attribution.explained_regions import BORDER
from cxrshort.errors import DataError
from cxrshort.generative.cyclegan.audit.classifiers import AuditedClassifier, probability
from cxrshort.generative.cyclegan.audit.edits import Edits
from cxrshort.generative.cyclegan.audit.images import SIDES, AuditedImages, predicted_direction
from cxrshort.generative.cyclegan.audit.region_changes import (
    MeasuredEdits,
    change_records,
    join_edits,
    unchanged_regions,
)
from cxrshort.generative.cyclegan.audit.regions import PackedRegions
from cxrshort.generative.cyclegan.audit.scores import PartScores
from cxrshort.generative.cyclegan.networks import Direction
from cxrshort.stats.kernel_distance import KernelDistance, kernel_distance
from cxrshort.stats.named_draws import named_generator
from cxrshort.stats.overlap import mean_interval
from cxrshort.stats.transformed_scores import (
    ShamScores,
    TransformedScores,
    carried_evidence,
    carried_records,
    change_record,
    flip_record,
    join_scores,
    sham_record,
)
from cxrshort.stats.verdicts import MUCH_SHARED, OFTEN_SHARED, SHORTCUT, SUSPICIOUS, Rule, Verdict, judge_regions

BOTH = "both"
Record = dict[str, Any]
Texts = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class ScoredClassifier:
    """Hold what one classifier says of the transformed images, by direction.

    Args:
        classifier: it.
        parts: log-odds of the images and their parts.
        shams: log-odds of images that need no change.
    """

    classifier: AuditedClassifier
    parts: Mapping[Direction, PartScores]
    shams: Mapping[Direction, ShamScores]

    @property
    def about(self) -> Record:
        """Return what rows of tables begin with."""
        return {"classifier": self.classifier.title, "label": self.classifier.label}

    def scores(self, images: AuditedImages, regions: tuple[str, ...], direction: Direction) -> TransformedScores:
        """Return the scores of one direction, with persons and what a shortcut predicts."""
        parts = self.parts[direction]
        predicted = predicted_direction(images, self.classifier.label, direction)
        return TransformedScores(
            regions,
            parts.before,
            parts.after,
            parts.only,
            parts.rest,
            parts.elsewhere,
            persons_of(images, images.started(direction)),
            np.full(len(parts.before), predicted),
        )


def persons_of(images: AuditedImages, rows: npt.NDArray[np.int64]) -> Texts:
    """Return whose the audited images at these positions are, (N,)."""
    persons: Texts = images.data.manifest["person_id"].to_numpy(dtype=str)[rows]
    return persons


def change_table(
    images: AuditedImages, edits: Mapping[Direction, Edits], scored: Sequence[ScoredClassifier]
) -> pd.DataFrame:
    """Return ``changes.csv``: a row for each classifier and transformed image."""
    tables = []
    for entry in scored:
        for direction in SIDES[::-1]:
            rows, parts = edits[direction].rows, entry.parts[direction]
            manifest = images.data.manifest.iloc[rows]
            tables.append(
                pd.DataFrame(
                    {
                        "image_id": manifest["image_id"].to_numpy(),
                        "person_id": manifest["person_id"].to_numpy(),
                        "direction": direction,
                        "goal": images.goal(direction),
                        **entry.about,
                        "before": parts.before,
                        "after": parts.after,
                        "change": parts.after - parts.before,
                        "mean_difference": edits[direction].changes,
                        "cycle_error": edits[direction].cycle_errors,
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def population_rows(
    images: AuditedImages, scored: Sequence[ScoredClassifier], regions: tuple[str, ...], *, seed: int
) -> list[Record]:
    """Return ``population.csv``: how often each classifier flips in each direction at each of its thresholds.

    Beside the change of the log-odds stands that of the sham, images that were of the other side already.
    """
    rows = []
    for entry in scored:
        for direction in SIDES[::-1]:
            scores = entry.scores(images, regions, direction)
            about = {
                **entry.about,
                "direction": direction,
                "goal": images.goal(direction),
                "predicted": str(scores.directions[0]),
            }
            rng = named_generator(seed, entry.classifier.title, direction)
            spread = entry.classifier.spread
            change = change_record(scores, spread=spread, rng=rng) if spread > 0 else {}
            change |= sham_record(scores, entry.shams[direction], spread=spread) if spread > 0 else {}
            for name, threshold in entry.classifier.thresholds.items():
                decided = {"decision": name, "threshold": probability(threshold)}
                rows.append({**about, **decided, **flip_record(scores, threshold=threshold), **change})
    return rows


def region_rows(
    images: AuditedImages,
    measured: Mapping[Direction, MeasuredEdits],
    shams: Mapping[Direction, MeasuredEdits],
    *,
    seed: int,
) -> list[Record]:
    """Return the first part of ``regions.csv``: where images changed, in both directions and in each, ranked."""
    rows = []
    for direction in (BOTH, *SIDES[::-1]):
        pair = (
            (join_edits(list(measured.values())), join_edits(list(shams.values())))
            if direction == BOTH
            else (measured[direction], shams[direction])  # type: ignore[index]
        )
        records = change_records(*pair, rng=named_generator(seed, "changed regions", direction))
        records.sort(key=lambda record: -(record["ratio"] or 0.0))
        goal = "" if direction == BOTH else images.goal(direction)  # type: ignore[arg-type]
        rows += [
            {"direction": direction, "goal": goal, "rank": rank, **record}
            for rank, record in enumerate(records, start=1)
        ]
    return rows


def carried_rows(
    images: AuditedImages, scored: Sequence[ScoredClassifier], regions: tuple[str, ...], *, seed: int
) -> list[Record]:
    """Return ``carried.csv``: how much of each classifier's change each region carries."""
    rows = []
    for entry in scored:
        spread = entry.classifier.spread
        if spread <= 0:
            continue
        own = {direction: entry.scores(images, regions, direction) for direction in SIDES[::-1]}
        for direction, scores in [(BOTH, join_scores(list(own.values()))), *own.items()]:
            rng = named_generator(seed, entry.classifier.title, "carried", direction)
            rows += [
                {**entry.about, "direction": direction, **record}
                for record in carried_records(scores, spread=spread, rng=rng)
            ]
    return rows


def judge_classifier(
    images: AuditedImages,
    entry: ScoredClassifier,
    regions: Sequence[Record],
    *,
    names: tuple[str, ...],
    reasons: Mapping[str, str],
    rule: Rule,
    seed: int,
) -> list[Verdict]:
    """Return the verdict on each region for one classifier, the worst first.

    Args:
        images: the audited ones.
        entry: the classifier.
        regions: of :func:`region_rows`.
        names: of all regions.
        reasons: why some of them are not judged.
        rule: of the verdict.
        seed: of the intervals.
    """
    scores = join_scores([entry.scores(images, names, direction) for direction in SIDES])
    evidence = carried_evidence(
        scores,
        reasons=reasons,
        unchanged=unchanged_regions([row for row in regions if row["direction"] == BOTH], rule),
        spread=entry.classifier.spread,
        rule=rule,
        seed=seed,
    )
    evidence.sort(key=lambda region: -(region.effect or 0.0))
    return judge_regions(evidence, rule)


def overlap_notes(findings: Sequence[Record], regions: PackedRegions) -> list[str]:
    """Return which accused or suspicious regions share much of the smaller one in many images.

    Args:
        findings: rows of ``findings.csv``.
        regions: of some of the images.
    """
    accused = list(dict.fromkeys(row["region"] for row in findings if row["verdict"] in (SHORTCUT, SUSPICIOUS)))
    areas = {name: regions.region(regions.names.index(name)) for name in accused if name != BORDER}
    listed = []
    for first, second in itertools.combinations(areas, 2):
        smaller = np.minimum(areas[first].sum(axis=(1, 2)), areas[second].sum(axis=(1, 2)))
        shared = (areas[first] & areas[second]).sum(axis=(1, 2))[smaller > 0] >= MUCH_SHARED * smaller[smaller > 0]
        if len(shared) and shared.mean() >= OFTEN_SHARED:
            listed.append(f"{first} and {second} in {100 * shared.mean():.0f} %".replace("_", " "))
    if not listed:
        return []
    return [f"regions overlap ({', '.join(listed)} of the images): a verdict on one region may be due to the other"]


def cycle_rows(images: AuditedImages, edits: Mapping[Direction, Edits], *, seed: int) -> list[Record]:
    """Return the mean difference and the mean cycle error of each direction, in grey values of [0, 1]."""
    rows = []
    for direction in SIDES[::-1]:
        persons = persons_of(images, edits[direction].rows)
        row: Record = {"direction": direction, "goal": images.goal(direction), "images": len(persons)}
        for name, values in (
            ("mean_difference", edits[direction].changes),
            ("cycle_error", edits[direction].cycle_errors),
        ):
            mean = mean_interval(values, persons, rng=named_generator(seed, name, direction))
            row |= _limits(name, mean.mean, mean.low, mean.high)
        rows.append(row)
    return rows


def distance_rows(
    images: AuditedImages,
    direction: Direction,
    features: Mapping[str, npt.NDArray[np.float32]],
    *,
    network: str,
) -> list[Record]:
    """Return how far transformed and original images are from real images of the goal.

    Args:
        images: the audited ones.
        direction: ``"to"`` or ``"from"``.
        features: of the images ``"transformed"``, ``"original"`` and ``"goal"``.
        network: what the features are of.
    """
    started, reached = images.started(direction), images.rows[direction]
    about: Record = {"network": network, "direction": direction, "goal": images.goal(direction)}
    rows = []
    for name in ("transformed", "original"):
        row: Record = {**about, "set": name}
        persons = persons_of(images, started), persons_of(images, reached)
        try:
            distance = kernel_distance(features[name], features["goal"], persons=persons)
        except DataError as error:
            rows.append({**row, **_limits("kid", None, None, None), "images": len(started), "reason": error.message})
            continue
        rows.append({**row, **_distance(distance), "images": len(started), "reason": ""})
    return rows


def _distance(distance: KernelDistance) -> Record:
    return _limits("kid", distance.value, distance.low, distance.high)


def _limits(name: str, value: float | None, low: float | None, high: float | None) -> Record:
    return {
        f"{name}{end}": None if number is None or not np.isfinite(number) else float(number)
        for end, number in zip(("", "_low", "_high"), (value, low, high), strict=True)
    }

"""The networks of an audit: images of both sides are transformed, and scored whole and in part by each classifier.

What would invalidate what follows from it: see :mod:`cxrshort.generative.cyclegan.audit.images` for the choice of
images, and :mod:`cxrshort.generative.cyclegan.audit.region_changes` for the sham, which is of images that need no
change.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.generative.cyclegan.audit.classifiers import AuditedClassifier, open_classifier
from cxrshort.generative.cyclegan.audit.edits import Edits, Transformer, transform_images
from cxrshort.generative.cyclegan.audit.features import (
    classifier_features,
    has_features,
    inception_features,
    load_inception,
)
from cxrshort.generative.cyclegan.audit.images import SIDES, AuditedImages
from cxrshort.generative.cyclegan.audit.region_changes import MeasuredEdits, measure_edits
from cxrshort.generative.cyclegan.audit.regions import PackedRegions, TransformedRegions
from cxrshort.generative.cyclegan.audit.results import Record, ScoredClassifier, distance_rows, persons_of
from cxrshort.generative.cyclegan.audit.scores import PartScorer, PartStore, score_parts
from cxrshort.generative.cyclegan.networks import Direction
from cxrshort.models.blocks import Report
from cxrshort.models.checkpoint import Description
from cxrshort.models.sources.opening import Reference
from cxrshort.stats.transformed_scores import ShamScores

PARTS = "parts-{number}-{direction}.npy"
"""Log-odds of a classifier, counted from 1: of each image before and after, and of its parts, region by region."""


@dataclass(frozen=True, eq=False)
class AuditPlan:
    """Hold everything that is known before anything is written.

    Args:
        name: of the CycleGAN.
        generator: its description.
        references: the classifiers.
        labels: of each classifier, whose log-odds count.
        data: the whole dataset.
        images: those that are transformed.
        inception: weights of Inception-v3; None takes the classifiers' own features.
    """

    name: str
    generator: Description
    references: Sequence[Reference]
    labels: Sequence[str]
    data: Dataset
    images: AuditedImages
    inception: Path | None = None


@dataclass(frozen=True, eq=False)
class AuditedEdits:
    """Hold what the networks were run for.

    Args:
        edits: of both directions.
        regions: of the same images.
        measured: differences by region.
        shams: the same of images that need no change.
        scored: of the classifiers.
        distances: rows of ``distances.csv``.
    """

    edits: Mapping[Direction, Edits]
    regions: Mapping[Direction, PackedRegions]
    measured: Mapping[Direction, MeasuredEdits]
    shams: Mapping[Direction, MeasuredEdits]
    scored: Sequence[ScoredClassifier]
    distances: Sequence[Record]


def run_networks(
    plan: AuditPlan,
    generator: Transformer,
    regions: TransformedRegions,
    *,
    compute: Compute,
    settings: Mapping[str, int],
    not_judged: Mapping[str, str],
    report: Report,
    store: Callable[[str], PartStore] | None = None,
) -> AuditedEdits:
    """Transform the images of both sides, and score them and their parts by each classifier.

    Several processes transform and score a share each, and all return the whole, but for scores that are kept in a run
    folder, which the first one has.

    Args:
        plan: what is audited.
        generator: the CycleGAN.
        regions: of the audited images.
        compute: device, precision and processes.
        settings: ``places``, ``batch_size`` and ``seed``.
        not_judged: regions that are compared with no other places, and why.
        report: takes events.
        store: where an array of that name is kept; None keeps none.

    Raises:
        DataError: images of another size than the generator takes, or a generator that makes one image of all.
    """
    images, size = plan.images, settings["batch_size"]
    transform = partial(transform_images, generator, images, compute=compute, batch_size=size, report=report)
    edits: dict[Direction, Edits] = {}
    cut: dict[Direction, PackedRegions] = {}
    measured: dict[Direction, MeasuredEdits] = {}
    shams: dict[Direction, MeasuredEdits] = {}
    unneeded: dict[Direction, Edits] = {}
    for direction in SIDES[::-1]:
        goal = images.goal(direction)
        report({"event": "transforming", "text": f"transforming images to '{goal}', and images that are so already"})
        rows, needless = images.started(direction), images.rows[direction]
        edits[direction] = transform(direction, rows=rows)
        cut[direction] = regions.packed(rows, direction)
        measured[direction] = measure_edits(edits[direction].differences, cut[direction], persons_of(images, rows))
        unneeded[direction] = transform(direction, rows=needless, cycle=False)
        shams[direction] = measure_edits(
            unneeded[direction].differences, regions.packed(needless, direction), persons_of(images, needless)
        )
    compared = [name for name in regions.names if name not in not_judged]
    scored = list[ScoredClassifier]()
    for number, (reference, label) in enumerate(zip(plan.references, plan.labels, strict=True), start=1):
        report({"event": "scoring", "text": f"scoring images and their parts with {reference.title}"})
        opened = open_classifier(
            reference,
            label,
            images,
            whole=plan.data,
            replicate=plan.generator.replicate,
            compute=compute,
            batch_size=size,
        )
        score = partial(score_parts, opened.scorer, compared=compared, seed=settings["seed"], report=report)
        parts = {}
        for direction in SIDES[::-1]:
            kept = store(PARTS.format(number=number, direction=direction)) if store else None
            parts[direction] = score(edits[direction], cut[direction], places=settings["places"], store=kept)
        own = {direction: _score_sham(opened.scorer, images, sham) for direction, sham in unneeded.items()}
        scored.append(ScoredClassifier(opened, parts, own))
    distances = _distances(plan, edits, [entry.classifier for entry in scored], compute=compute)
    return AuditedEdits(edits, cut, measured, shams, scored, distances)


def _score_sham(scorer: PartScorer, images: AuditedImages, sham: Edits) -> ShamScores:
    """Return the log-odds of images before and after a transformation that they do not need."""
    before, after = (scorer.log_odds(pixels, sham.rows) for pixels in (sham.before, sham.after))
    return ShamScores(before, after, persons_of(images, sham.rows))


def _distances(
    plan: AuditPlan,
    edits: Mapping[Direction, Edits],
    classifiers: Sequence[AuditedClassifier],
    *,
    compute: Compute,
) -> list[Record]:
    """Return how far transformed images are from real ones by Inception, or else by each classifier's own features."""
    images, pixels = plan.images, plan.images.data.pixels
    extract: dict[str, Any] = {}
    if plan.inception is not None:
        network, title = load_inception(plan.inception)
        extract[title] = partial(inception_features, network, compute=compute)
    else:
        for classifier in classifiers:
            if has_features(classifier.model):
                title = f"last layer of {classifier.title}"
                extract[title] = partial(classifier_features, classifier.model, compute=compute)
    rows = []
    for title, features in extract.items():
        real = features(pixels.take(np.arange(len(pixels))))
        for direction in SIDES[::-1]:
            started, reached = images.started(direction), images.rows[direction]
            sets = {"transformed": features(edits[direction].after), "original": real[started], "goal": real[reached]}
            rows += distance_rows(images, direction, sets, network=title)
    return rows

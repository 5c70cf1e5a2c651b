"""Scored images of which some are of a group, for the tests of groups."""

import numpy as np

from cxrshort.stats.subgroups import GroupMetric, ScoredRows, compare_group


def example(
    images: int = 400, *, per_person: int = 1, seed: int = 0, within: bool = False, digits: int = 6
) -> tuple[ScoredRows, np.ndarray]:
    """Return images of whom a third is of a group; the group is of persons, or of images within persons."""
    rng = np.random.default_rng(seed)
    codes = np.arange(images) // per_person
    persons = codes.max() + 1
    truth = (rng.random(persons) < 0.4)[codes]
    logits = np.round(1.5 * truth + 0.6 * rng.normal(size=persons)[codes] + 0.8 * rng.normal(size=images) - 1, digits)
    member = rng.random(images) < 0.33 if within else (rng.random(persons) < 0.33)[codes]
    return ScoredRows(truth, logits, codes, logits >= 0, logits), member


def by_metric(rows: ScoredRows, member: np.ndarray, **options: float) -> dict[str, GroupMetric]:
    return {metric.metric: metric for metric in compare_group(rows, member, **options)}

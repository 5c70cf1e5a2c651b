"""Embeddings of a model that errs as its scores say, with or without a cluster in which it errs more."""

import numpy as np
from scipy.special import expit

from cxrshort.stats.slices import PredictedImages


def simulate(
    seed: int,
    *,
    images: int = 1600,
    per_person: int = 2,
    planted: float = 0.0,
    prevalence: float = 0.3,
    stretched: float = 1.0,
) -> tuple[PredictedImages, np.ndarray]:
    """Return images and who is of the planted cluster.

    The first feature is the logit, as of a network that reads it off; the others hold six clusters that have nothing to
    do with errors. Truth is drawn from the probabilities, or from those of shrunk logits, so that the model errs most
    near its threshold. In the planted cluster, a share of the truths is the opposite of the call.

    Args:
        seed: of everything.
        images: how many.
        per_person: images of a person.
        planted: share of errors that are added in the cluster.
        prevalence: of positives, about.
        stretched: how much too extreme the logits are.
    """
    rng = np.random.default_rng(seed)
    codes = np.arange(images) // per_person
    persons = int(codes.max()) + 1
    centres = 1.5 * rng.normal(size=(6, 24))
    points = centres[rng.integers(0, 6, persons)[codes]] + 0.7 * rng.normal(size=(persons, 24))[codes]
    points += 0.7 * rng.normal(size=(images, 24))
    logits = 2 * rng.normal(size=persons)[codes] + np.log(prevalence / (1 - prevalence)) + 0.4 * rng.normal(size=images)
    truth = rng.random(images) < expit(logits / stretched)
    member = (rng.random(persons) < 0.08)[codes] & (planted > 0)
    points[member] = 1.5 * rng.normal(size=24) + rng.normal(size=(int(member.sum()), 24))
    points[:, 0] = logits
    flipped = member & (rng.random(images) < planted)
    truth = np.where(flipped, logits <= 0, truth)
    return PredictedImages(points.astype(np.float32), truth, expit(logits), logits > 0, codes), member

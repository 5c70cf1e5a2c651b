"""The classifiers of an audit: their label, their scores of the original images, and where they decide.

What would invalidate decisions: a threshold that was chosen on the images that it is judged on, or on images that the
weights were fitted to. The operating point is therefore that of the validation fold of the audited dataset (Youden's):
of the fold that chose the classifier's state, or of persons whom it has never seen. Where there is none, decisions are
made at a probability of 0.5 alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.generative.cyclegan.audit.images import AuditedImages
from cxrshort.generative.cyclegan.audit.scores import PartScorer
from cxrshort.interventions.trial_scores import LabelScore
from cxrshort.models import checkpoint
from cxrshort.models.foreground import visible_pixels
from cxrshort.models.predictions import role_of
from cxrshort.models.scoring import score
from cxrshort.models.sources.opening import Model, Reference, open_model
from cxrshort.stats.operating_points import youden_threshold
from cxrshort.targets import read_targets

Floats = npt.NDArray[np.float64]
HALF = "p 0.5"
YOUDEN = "Youden"


@dataclass(frozen=True, eq=False)
class AuditedClassifier:
    """Hold one classifier and what it says of the original images.

    Args:
        model: the opened model.
        label: whose log-odds count.
        role: ``"internal"``, ``"external"`` or empty.
        scorer: of images and their parts.
        logits: (N,) of the audited images as they are.
        thresholds: log-odds from which on an image counts as positive, by name.
        notes: what must be known of it.
    """

    model: Model
    label: str
    role: str
    scorer: PartScorer
    logits: Floats
    thresholds: dict[str, float]
    notes: Sequence[str]

    @property
    def title(self) -> str:
        """Return what tables call it."""
        return self.model.reference.title

    @property
    def spread(self) -> float:
        """Return the standard deviation of the log-odds of the original images; 0 where they do not vary."""
        return float(self.logits.std(ddof=1)) if len(self.logits) > 1 else 0.0


def open_classifier(
    reference: Reference,
    label: str,
    images: AuditedImages,
    *,
    whole: Dataset,
    replicate: int,
    compute: Compute,
    batch_size: int,
) -> AuditedClassifier:
    """Open a classifier, and score the original images and those of the validation fold.

    Args:
        reference: what it is.
        label: whose log-odds count.
        images: the audited ones.
        whole: the dataset that they are of.
        replicate: whose validation fold the operating point is of.
        compute: device, precision and processes.
        batch_size: images in the network at a time.
    """
    model = open_model(reference, compute)
    network = LabelScore(model, label)
    scorer = PartScorer(network, visible_pixels(reference.description, images.data), compute, batch_size)
    logits = _score(scorer, images.data, reference)
    thresholds, notes = {HALF: 0.0}, list[str]()
    validation = (
        f"images of every fold are audited (--split {images.split})"
        if images.split in ("all", "val")
        else _validation(reference, whole, label, replicate=replicate)
    )
    if isinstance(validation, str):
        notes.append(f"'{reference.title}' decides at a probability of 0.5 alone: {validation}")
    else:
        data, targets = validation
        thresholds[YOUDEN] = float(youden_threshold(targets, _score(scorer, data, reference)))
    role = role_of(reference.description, whole)
    return AuditedClassifier(model, label, role, scorer, logits, thresholds, notes)


def _score(scorer: PartScorer, data: Dataset, reference: Reference) -> Floats:
    """Return the log-odds of the images of a dataset, (N,)."""
    visible = visible_pixels(reference.description, data)
    scored = score(scorer.model, visible, compute=scorer.compute, batch_size=scorer.batch_size, shrink=True)
    return scored[:, 0].astype(np.float64) if len(scored) else np.zeros(0)


def _validation(
    reference: Reference, whole: Dataset, label: str, *, replicate: int
) -> tuple[Dataset, npt.NDArray[np.float32]] | str:
    """Return the labelled images of the validation fold with their targets, or why there are none."""
    column = f"split_{replicate}"
    if label not in whole.manifest or column not in whole.manifest:
        return f"{whole.name} does not know {label}"
    fold = whole.fold("val", replicate=replicate) if (whole.manifest[column] == "val").any() else None
    if fold is None:
        return f"{whole.name} has no validation fold"
    description = reference.description
    own = description.replicate == replicate and description.dataset_id in (whole.dataset_id, *whole.made_from)
    if not own and checkpoint.trained_on(description, fold.manifest["person_id"]):
        return f"it was trained on patients of the validation fold of {whole.name}"
    targets = read_targets(fold.manifest, label)
    if not ((targets == 0).any() and (targets == 1).any()):
        return f"the validation fold of {whole.name} does not hold both classes of {label}"
    return fold, targets


def probability(logit: float) -> float:
    """Return the probability that log-odds stand for.

    Example:
        >>> probability(0.0)
        0.5
    """
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0

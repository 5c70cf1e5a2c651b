"""The images of an audit: those of the two sides of a CycleGAN, of persons whom no audited model has seen.

What would invalidate an audit: images that the generators or a classifier were trained on, whose changes and scores may
be learnt by heart; an image that is on both sides; and images of one side in the direction that starts from the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.expressions import select_rows
from cxrshort.generative.cyclegan.networks import Direction
from cxrshort.models import checkpoint
from cxrshort.models.checkpoint import Description
from cxrshort.stats.named_draws import named_generator

Indices = npt.NDArray[np.int64]
FROM: Direction = "from"
TO: Direction = "to"
SIDES: tuple[Direction, Direction] = (FROM, TO)
"""The two sides, and the directions: ``to`` transforms images of the side ``from`` and leads to the side ``to``."""
OTHER: Mapping[Direction, Direction] = {FROM: TO, TO: FROM}
LEAST_DIFFERENCE = 0.1
"""Difference in prevalence of a finding between the sides below which transforming predicts no direction."""


@dataclass(frozen=True, eq=False)
class AuditedImages:
    """Hold the images that are transformed.

    Args:
        data: their rows, of both sides.
        split: the fold that they are of.
        rows: positions in ``data`` of the images of each of `SIDES`, (N,).
        expressions: what makes an image one of each side.
        notes: what must be known of them.
    """

    data: Dataset
    split: str
    rows: Mapping[Direction, Indices]
    expressions: Mapping[Direction, str]
    notes: Sequence[str]

    def started(self, direction: Direction) -> Indices:
        """Return the positions of the images that a direction transforms."""
        return self.rows[OTHER[direction]]

    def goal(self, direction: Direction) -> str:
        """Return what images are to be after a direction, as people say it."""
        return self.expressions[direction]


def choose_images(
    data: Dataset,
    models: Mapping[str, Description],
    *,
    split: str,
    expressions: Mapping[Direction, str],
    images: int | None,
    seed: int,
) -> AuditedImages:
    """Return the images of both sides in a fold that no model has seen.

    Args:
        data: the whole dataset.
        models: descriptions by name; the first is that of the CycleGAN, whose replicate says which rows are of the
            fold.
        split: ``"test"``, ``"val"``, ``"train"`` or ``"all"``; training images are allowed on request, and counted.
        expressions: over columns of the manifest, for each of `SIDES`.
        images: of each side at most, a random sample; None takes all.
        seed: of the sample.

    Raises:
        DataError: a model was trained on persons of the fold, a side is empty, an image is on both sides, or images
            were made in another way than those of the training.
        UsageError: the dataset has no such replicate, or an expression names no column.
    """
    (name, generator), *_ = models.items()
    fold = data.fold(split, replicate=generator.replicate)
    notes = _check_unseen(models, fold, split, replicate=generator.replicate)
    if len(data.pixels.image_shape) > 2:
        raise UsageError(f"{data.name} is in colour, and a CycleGAN takes grey images", "name a dataset of radiographs")
    holds = {side: select_rows(fold.manifest, expressions[side]) for side in SIDES}
    if both := int((holds[FROM] & holds[TO]).sum()):
        first = fold.manifest["image_id"][holds[FROM] & holds[TO]].iloc[0]
        raise DataError(
            f"{both} images of {data.name} are on both sides of '{name}', such as '{first}'",
            f"its sides are '{expressions[FROM]}' and '{expressions[TO]}'",
        )
    for side in SIDES:
        if not holds[side].any():
            raise DataError(
                f"no image of {data.name} ({split}) is on the side '{expressions[side]}' of '{name}'",
                "name a dataset with images of both sides, or another --split",
            )
    kept = np.zeros(len(fold.manifest), bool)
    for side in SIDES:
        rows = np.flatnonzero(holds[side])
        if images is not None and images < len(rows):
            notes.append(f"{images} of the {len(rows):,} images of the side '{expressions[side]}' are transformed")
            rows = named_generator(seed, "audited images", side).choice(rows, images, replace=False)
        kept[rows] = True
    chosen = replace(fold, manifest=fold.manifest[kept].reset_index(drop=True))
    positions = {side: np.flatnonzero(holds[side][kept]).astype(np.int64) for side in SIDES}
    return AuditedImages(chosen, split, positions, expressions, notes)


def _check_unseen(models: Mapping[str, Description], fold: Dataset, split: str, *, replicate: int) -> list[str]:
    """Refuse models that were trained on persons of the fold; under ``--split train`` return notes that count them."""
    notes = []
    people: pd.Series = fold.manifest["person_id"]
    for name, description in models.items():
        checkpoint.check_pixels(name, description, dataset=fold.name, pixels=fold.recipe)
        seen = checkpoint.trained_on(description, people)
        if not seen:
            continue
        counted = f"'{name}' was trained on {seen} of the {people.nunique()} patients of {fold.name} ({split})"
        if split != "train":
            other = f", which are of replicate {replicate}" if description.replicate != replicate else ""
            raise DataError(
                counted + other,
                f"audit classifiers of replicate {replicate}"
                if other
                else "--split test takes the fold that training never saw",
            )
        notes.append(counted)
    return notes


def predicted_direction(images: AuditedImages, label: str, direction: Direction) -> str:
    """Return what a shortcut predicts of a label's log-odds: ``"increase"``, ``"decrease"``, or ``"either"``.

    It is decided by the labels of the original images of both sides, never by the transformed ones: the prevalence of
    the finding among the images that a direction starts from, and among those that it leads to.

    Args:
        images: of both sides.
        label: the finding.
        direction: ``"to"`` or ``"from"``.
    """
    manifest = images.data.manifest
    if label not in manifest:
        return "either"
    targets = pd.to_numeric(manifest[label], errors="coerce").to_numpy(dtype=np.float64)
    means = {}
    for side in SIDES:
        stated = targets[images.rows[side]]
        stated = stated[np.isfinite(stated)]
        if not len(stated):
            return "either"
        means[side] = float(stated.mean())
    difference = means[direction] - means[OTHER[direction]]
    if abs(difference) < LEAST_DIFFERENCE:
        return "either"
    return "increase" if difference > 0 else "decrease"

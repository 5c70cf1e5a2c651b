"""The reference images of expected gradients: what the explained image is compared with.

A map says what makes an image score otherwise than its references. DeGrave et al. (2021) take 200 images of the
training fold without the finding, so that a map shows what speaks for the finding. What would invalidate it: references
of another source than the images, whose maps then show what tells the sources apart; ``--background`` does so on
purpose.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cxrshort.attribution.explained_images import label_targets
from cxrshort.columns import SPLIT_PREFIX
from cxrshort.dataset import Dataset
from cxrshort.errors import DataError
from cxrshort.images.prefetch import Indices, Source, prefetched
from cxrshort.models import checkpoint
from cxrshort.models.foreground import visible_pixels
from cxrshort.models.sources.opening import Reference

REFERENCES = 200
_MOST_ON_DEVICE = 2**30
"""Bytes of references that are kept on the device: 5,000 grey images of 224 pixels."""


@dataclass(frozen=True)
class Background:
    """Hold the references of one label.

    Args:
        source: the reference images, as the model is shown them.
        note: how many there are, and where they are from.
    """

    source: Source
    note: str

    def __len__(self) -> int:
        """Return the number of references."""
        return len(self.source)

    def images(self, device: torch.device | str = "cpu") -> Tensor:
        """Return the references, (R, C, H, W) in [0, 1], on the device if there are not too many."""
        _, images = next(prefetched(self.source, [np.arange(len(self.source))], device=torch.device("cpu")))
        return images.to(device) if images.nbytes <= _MOST_ON_DEVICE else images


def choose_background(
    model: Reference, data: Dataset, label: str, *, count: int = REFERENCES, seed: int = 0, shape: tuple[int, ...] = ()
) -> Background:
    """Draw reference images without a label from the training fold of the model's replicate.

    A dataset that is not split gives of all its rows. A regression has no images without its number: all are taken.

    Args:
        model: that is explained.
        data: the explained dataset, or another one as background.
        label: that the references do not have.
        count: references wanted; fewer are taken where there are fewer, which the note says.
        seed: of the draw.
        shape: of the explained images, which theirs must be; empty for any.

    Raises:
        DataError: no image is without the label, or the images were made in another way.
    """
    description = model.description
    checkpoint.check_pixels(model.name, description, dataset=data.name, pixels=data.recipe)
    split = f"{SPLIT_PREFIX}{description.replicate}"
    rows, where = data.manifest, f"of {data.name}"
    if split in rows:
        rows, where = rows[rows[split] == "train"], f"of the training fold of {data.name}"
    noun = "images"
    if model.outputs.name != "regression":
        rows, noun = rows[label_targets(rows, label) == 0], f"images without {label}"
    if rows.empty:
        raise DataError(
            f"no image {where} is known to be without '{label}'", "name a --background that has such images"
        )
    rng = np.random.default_rng((seed, description.labels.index(label), 1))
    chosen = np.sort(rng.permutation(len(rows))[:count])
    part = replace(data, manifest=rows.iloc[chosen].reset_index(drop=True))
    source = visible_pixels(description, part)
    if shape and tuple(source.image_shape) != tuple(shape):
        sides = [" x ".join(map(str, sizes)) for sizes in (source.image_shape, shape)]
        raise DataError(
            f"the references of {data.name} are {sides[0]} pixels, the explained images {sides[1]}",
            "build both datasets with the same --size",
        )
    wanted = f", {count} were asked for" if len(chosen) < count else ""
    return Background(source, f"references: {len(chosen)} {noun} {where}{wanted}")


def draw_background(source: Source, *, count: int, seed: int, without: Indices) -> Tensor:
    """Return a random sample of images, whatever their class, (R, C, H, W) in [0, 1], on the CPU.

    Args:
        source: the images.
        count: how many, at most.
        seed: of the draw.
        without: positions of the images that are explained, which are taken only where there are no others.
    """
    others = np.setdiff1d(np.arange(len(source)), without)
    pool = others if len(others) else np.arange(len(source))
    chosen = np.sort(np.random.default_rng((seed, 1)).permutation(pool)[:count])
    return next(prefetched(source, [chosen], device=torch.device("cpu")))[1]

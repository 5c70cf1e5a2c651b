"""What a trained segmenter draws: masks of many images, computed once and kept as single bits."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from cxrshort.columns import MASK_BITS
from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.images.prefetch import Indices, Source
from cxrshort.models import checkpoint
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.pipeline import outline
from cxrshort.models.scoring import scan
from cxrshort.models.sources.foreign import is_foreign, open_foreign_segmenter
from cxrshort.stats.overlap import dice_and_iou

_EVERY_BIT = 255


class Outlines:
    """Hold one mask per image, a bit per pixel: 100,000 images of 224 pixels take 630 MB.

    Args:
        shape: (H, W) of the masks.
        packed: (N, H W / 8) uint8, the masks as :func:`numpy.packbits` writes each.
    """

    def __init__(self, shape: tuple[int, int], *, packed: npt.NDArray[np.uint8]) -> None:
        self._shape = shape
        self._packed = packed

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._packed)

    def take(self, indices: Indices) -> npt.NDArray[np.uint8]:
        """Return bit fields (N, H, W), uint8, in which foreground has every bit set."""
        pixels = self._shape[0] * self._shape[1]
        bits = np.unpackbits(self._packed[indices], axis=1, count=pixels)
        return (bits * np.uint8(_EVERY_BIT)).reshape(len(bits), *self._shape)


def load_segmenter(name: str, *, dataset: str, pixels: Mapping[str, Any]) -> tuple[Classifier, Description]:
    """Read a trained segmenter for the images of a dataset.

    Args:
        name: a run folder, a model file, or ``py:package.module:factory?...``.
        dataset: name of the dataset.
        pixels: how its images were made.

    Raises:
        MissingInputError: there is no such file.
        UsageError: it is another kind of model.
        DataError: it was trained on images made otherwise.
    """
    if is_foreign(name):
        return open_foreign_segmenter(name)
    path = checkpoint.locate(name)
    kind = checkpoint.describe(path).kind
    if kind != "segmenter":
        raise UsageError(f"'{name}' is a {kind}, --segmenter takes a segmenter", "cxrshort train --target masks")
    model, description = checkpoint.load(path)
    checkpoint.check_pixels(name, description, dataset=dataset, pixels=pixels)
    return model, description


def has_mask(data: Dataset) -> npt.NDArray[np.bool_]:
    """Return whether each row of a dataset has a mask, (N,)."""
    if "mask_row" not in data.manifest:
        return np.zeros(len(data.manifest), bool)
    return data.manifest["mask_row"].notna().to_numpy(dtype=bool)


def measure_outlines(segmenter: Classifier, data: Dataset, *, structure: str, compute: Compute) -> pd.DataFrame:
    """Return how well a segmenter draws the masks of a dataset; several processes measure a share each.

    Args:
        segmenter: the model.
        data: images, and the masks of some or all of them.
        structure: the name of the mask's bit.
        compute: device and precision.

    Returns:
        A row per image: ``image_id, person_id, dice, iou``; both measures are empty where there is no mask.

    Raises:
        DataError: no image has a mask.
    """
    known = has_mask(data)
    masked = replace(data, manifest=data.manifest[known].reset_index(drop=True))
    if not known.any() or masked.masks is None:
        raise DataError(f"{data.name}: no image of this fold has a mask", "give a dataset with masks.npy")
    truth = masked.masks

    def measure(images: Tensor, indices: Indices) -> npt.NDArray[np.float64]:
        drawn = outline(segmenter, images)[:, 0].cpu().numpy()
        return np.stack(dice_and_iou(drawn, (truth.take(indices) & MASK_BITS[structure]) > 0), axis=1)

    measures = np.full((len(known), 2), np.nan)
    segmenter = segmenter.to(compute.torch_device)
    measures[known] = scan(measure, masked.pixels, model=segmenter, compute=compute)
    return data.manifest[["image_id", "person_id"]].assign(dice=measures[:, 0], iou=measures[:, 1])


def draw_outlines(segmenter: Classifier, pixels: Source, *, compute: Compute, threshold: float = 0.5) -> Outlines:
    """Return a segmenter's masks of all images, computed once; several processes draw a share each."""

    def pack(images: Tensor, indices: Indices) -> npt.NDArray[np.uint8]:
        del indices
        masks = outline(segmenter, images, threshold=threshold).cpu().numpy()
        return np.packbits(masks.reshape(len(masks), -1), axis=1)

    height, width = pixels.image_shape[-2:]
    segmenter = segmenter.to(compute.torch_device)
    return Outlines((height, width), packed=scan(pack, pixels, model=segmenter, compute=compute))

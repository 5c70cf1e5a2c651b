"""Predicted masks of a segmenter, computed once and stored as bits."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.images.prefetch import Indices, Source
from cxrshort.masks.bits import select_bits
from cxrshort.masks.packed import PackedMasks, pack
from cxrshort.masks.structures import bits_of
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.pipeline import SegmentedClassifier, outline
from cxrshort.models.scoring import SCORING_BATCH, scan
from cxrshort.models.sources.foreign import files_of, is_foreign, open_foreign_segmenter
from cxrshort.stats.overlap import dice_and_iou


def load_segmenter(name: str, *, dataset: str, pixels: Mapping[str, Any]) -> tuple[Classifier, Description]:
    """Read a trained segmenter for the images of a dataset; of a pipeline, the one within it.

    Args:
        name: a run folder, a model file, or ``py:package.module:factory?...``.
        dataset: name of the dataset.
        pixels: how its images were made.

    Raises:
        MissingInputError: there is no such file.
        UsageError: it is another kind of model.
        DataError: it was trained on images made in another way.
    """
    if is_foreign(name):
        return open_foreign_segmenter(name)
    path = checkpoint.locate_model(name)
    kind = checkpoint.read_description(path).kind
    if kind not in ("segmenter", "pipeline"):
        raise UsageError(f"'{name}' is a {kind}, --segmenter takes a segmenter", "cxrshort train --target masks")
    model, description = factory.load_model(path)
    checkpoint.check_pixels(name, description, dataset=dataset, pixels=pixels)
    if isinstance(model.network, SegmentedClassifier):
        return cast(Classifier, model.network.segmenter), description.parts[0]
    return model, description


def segmenter_files(name: str | None) -> dict[str, Path]:
    """Return the files that a segmenter is read from, by the names that a run's record gives them.

    Args:
        name: as for :func:`load_segmenter`; None where there is no segmenter, and no file.

    Raises:
        MissingInputError: there is no such file.

    Example:
        >>> list(segmenter_files("py:net:make?weights=a.safetensors"))
        ['a.safetensors']
    """
    if name is None:
        return {}
    if is_foreign(name):
        return {str(path): path for path in files_of(name)}
    return {"segmenter": checkpoint.locate_model(name)}


def measure_outlines(segmenter: Classifier, data: Dataset, *, structure: str, compute: Compute) -> pd.DataFrame:
    """Return how well a segmenter draws the masks of a dataset; several processes measure a share each.

    Args:
        segmenter: the model.
        data: images, and the masks of some or all of them.
        structure: the structure that it draws, or several joined by ``+``.
        compute: device and precision.

    Returns:
        A row per image: ``image_id, person_id, dice, iou``; both measures are empty where there is no mask.

    Raises:
        DataError: no image has a mask.
    """
    has_mask = data.has_mask
    masked = replace(data, manifest=data.manifest[has_mask].reset_index(drop=True))
    if not has_mask.any() or masked.masks is None:
        raise DataError(f"{data.name}: no image of this fold has a mask", "give a dataset with masks.npy")
    truth, bits = masked.masks, bits_of(structure)

    def measure(images: Tensor, indices: Indices) -> npt.NDArray[np.float64]:
        drawn = outline(segmenter, images)[:, 0].cpu().numpy()
        return np.stack(dice_and_iou(drawn, select_bits(truth.take(indices), bits)), axis=1)

    measures = np.full((len(has_mask), 2), np.nan)
    segmenter = segmenter.to(compute.torch_device)
    measures[has_mask] = scan(measure, masked.pixels, model=segmenter, compute=compute)
    return data.manifest[["image_id", "person_id"]].assign(dice=measures[:, 0], iou=measures[:, 1])


def draw_outlines(
    segmenter: Classifier,
    pixels: Source,
    *,
    compute: Compute,
    threshold: float = 0.5,
    batch_size: int = SCORING_BATCH,
    shrink: bool = False,
) -> PackedMasks:
    """Return a segmenter's masks of all images, computed once; several processes draw a share each.

    Args:
        segmenter: the model.
        pixels: the images.
        compute: device, precision and processes.
        threshold: the least probability of a pixel that is drawn.
        batch_size: images in the network at a time.
        shrink: whether the batch size is halved whenever memory does not suffice.
    """

    def draw(images: Tensor, indices: Indices) -> npt.NDArray[np.uint8]:
        del indices
        return pack(outline(segmenter, images, threshold=threshold).cpu().numpy())

    height, width = pixels.image_shape[-2:]
    segmenter = segmenter.to(compute.torch_device)
    packed = scan(draw, pixels, model=segmenter, compute=compute, batch_size=batch_size, shrink=shrink)
    return PackedMasks((height, width), packed=packed)

"""Penultimate features: what enters the last layer of a network, for every image of a fold, computed once.

What would invalidate them: a network that does something behind its last layer, whose logits are then no linear
function of them. Each batch is therefore held against the network's own logits.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cxrshort import runs
from cxrshort.compute import Compute
from cxrshort.errors import DataError, UsageError
from cxrshort.images.prefetch import Indices, Source
from cxrshort.models.blocks import BlockArray, Report, fill_blocks
from cxrshort.models.classifier import Classifier
from cxrshort.models.embeddings import capture_inputs
from cxrshort.models.scoring import counted, scan

FEATURES = ".features.npy"
"""The features in the run folder, until the run is finished."""


def feature_array(images: int, width: int) -> BlockArray:
    """Return the file of the features (N, D) and its blocks."""
    return BlockArray(FEATURES, (images, width), unit="features computed")


def fill_features(
    run: runs.Run,
    model: Classifier,
    pixels: Source,
    *,
    head: str,
    compute: Compute,
    settings: Mapping[str, Any],
    resume: bool = False,
    report: Report = runs.ignore_event,
) -> npt.NDArray[np.float32]:
    """Compute the features of all images block by block in the run folder; an interrupted run goes on.

    Args:
        run: the run folder.
        model: on its device.
        pixels: the images.
        head: name of the last layer, linear.
        compute: device, precision and processes.
        settings: everything that the features depend on.
        resume: go on where an interrupted run has stopped.
        report: takes an event before each batch; may raise, to stop the work.

    Returns:
        (N, D), a memory map.

    Raises:
        UsageError: the network is not linear behind its features; or resuming with other settings.
        DataError: a feature is no number.
    """
    layer = model.network.get_submodule(head)
    array = feature_array(len(pixels), int(layer.in_features))  # type: ignore[arg-type]
    work = penultimate(model, head)

    def block(positions: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        counting = counted(
            work, unit=array.unit, count=len(pixels), compute=compute, report=report, start=int(positions[0])
        )
        return scan(counting, pixels, model=model, compute=compute, rows=positions)

    values = fill_blocks(run, array, block, settings=settings, compute=compute, resume=resume, report=report)
    if wrong := int((~np.isfinite(values)).any(axis=1).sum()):
        raise DataError(
            f"the model has features that are no numbers for {wrong} of {len(values)} images", "train again"
        )
    return values


def penultimate(model: Classifier, head: str) -> Callable[[Tensor, Indices], Tensor]:
    """Return the work of a scan that takes what enters the last layer, (N, D) float32.

    Args:
        model: the classifier.
        head: name of its last layer in the network.
    """
    layer = model.network.get_submodule(head)

    def work(images: Tensor, indices: Indices) -> Tensor:
        del indices
        with capture_inputs([layer]) as inputs:
            logits = model(images)
        features = inputs.get(layer)
        if features is None or features.dim() != 2 or not torch.allclose(layer(features), logits, equal_nan=True):
            raise UsageError(
                f"the logits of the network are not those of its last layer '{head}' alone",
                "--weights with another model",
            )
        return features.float()

    return work

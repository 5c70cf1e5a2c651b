"""Whether maps add up to what they explain: the difference of two logits."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cxrshort.attribution.contract import AttributionMethod, Resources
from cxrshort.attribution.stream import logits_of_draws
from cxrshort.errors import UsageError
from cxrshort.models.scoring import SCORING_BATCH, evaluating


class Completeness(NamedTuple):
    """Hold how far the map of each image adds up, (N,) each, float32, in logits.

    Args:
        sums: of the map over its pixels.
        differences: of the image's logit and that of the start of its path, or their mean over the references.
        errors: sums less differences: what quadrature and random draws leave.
    """

    sums: Tensor
    differences: Tensor
    errors: Tensor


def completeness(
    method: AttributionMethod,
    model: nn.Module,
    images: Tensor,
    outputs: Tensor,
    *,
    maps: Tensor,
    settings: Any = None,
    references: Tensor | None = None,
    batch_size: int = SCORING_BATCH,
) -> Completeness:
    """Return, per image, the sum of its map, the difference of logits that it should be, and the error.

    Args:
        method: a path method, one that has ``starts``.
        model: as explained; see :meth:`cxrshort.attribution.contract.AttributionMethod.__call__`.
        images: (N, C, H, W) in [0, 1].
        outputs: (N,) int64.
        maps: (N, H, W), of these images by this method.
        settings: that the maps were made with; None for the defaults.
        references: that the maps were made with.
        batch_size: images that may be in the network at the same time.

    Raises:
        UsageError: the method's maps add up to nothing in particular.
    """
    starts = start_logits(
        method, model, images, outputs, settings=settings, references=references, batch_size=batch_size
    )
    logits = image_logits(model, images, outputs, batch_size=batch_size)
    sums, differences = maps.sum((1, 2)).to(logits), logits - starts
    return Completeness(sums.float(), differences.float(), (sums - differences).float())


def image_logits(model: nn.Module, images: Tensor, outputs: Tensor, *, batch_size: int = SCORING_BATCH) -> Tensor:
    """Return the logit that is explained in each image, (N,), in the precision of the images.

    Args:
        model: as explained.
        images: (N, C, H, W) in [0, 1].
        outputs: (N,) int64.
        batch_size: images that may be in the network at the same time.

    Raises:
        UsageError: an output is none of the model's.
    """

    def compose(owners: Tensor, numbers: Tensor) -> Tensor:
        del numbers
        return images[owners.to(images.device)]

    with torch.inference_mode(False), torch.no_grad(), evaluating(model):
        return logits_of_draws(model, images, outputs.cpu(), compose=compose, draws=1, batch_size=batch_size)[:, 0]


def start_logits(
    method: AttributionMethod,
    model: nn.Module,
    images: Tensor,
    outputs: Tensor,
    *,
    settings: Any = None,
    references: Tensor | None = None,
    batch_size: int = SCORING_BATCH,
) -> Tensor:
    """Return the logit at the start of each image's path, or its mean over the references, (N,).

    Of a method that takes references it is the same for all images of an output. Arguments are those of
    :func:`completeness`.

    Raises:
        UsageError: the method's maps add up to nothing in particular.
    """
    if method.starts is None:
        raise UsageError(f"maps of '{method.name}' add up to no difference of logits", "choose expected-gradients")
    settings = method.Settings() if settings is None else settings
    resources = Resources(references, (), batch_size)
    with torch.inference_mode(False), torch.no_grad(), evaluating(model):
        return method.starts(model, images, outputs.cpu(), settings=settings, resources=resources)

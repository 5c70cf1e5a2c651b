"""Occlusion: what the logit loses when a patch is covered (Zeiler and Fergus 2014).

Square patches of one grey slide over the image. Each pixel's value is the mean, over the patches that cover it, of the
patch's loss per pixel. Of a model that adds up pixels, patches that do not overlap give exactly what each patch adds,
and maps add up to the logit less that of the image of one grey. Only forward passes are needed, so that any function of
images can be explained, networks in ONNX files among them.

Patches are composed on the device from the one image. Own code: Captum's ``Occlusion`` builds each batch of covered
images through a mask of the image's size per patch, counts evaluations per patch and not images in the network, and
gives each pixel the whole patch's loss, which does not add up. Divided by the patch's area, values agree.

What would invalidate it: evidence that appears twice. Covering one of two markers may change nothing.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cxrshort.attribution.contract import AttributionMethod, Resources, check_options, option
from cxrshort.attribution.integrated_gradients import BASELINES, baselines
from cxrshort.attribution.stream import logits_of_draws


@dataclass(frozen=True)
class OcclusionSettings:
    """Hold the options of occlusion.

    Args:
        patch: side of the patch, as a share of the image's shorter side.
        stride: distance between neighbouring patches, as a share of the patch's side.
        fill: grey of the patch: ``"mean"`` for the image's own mean, or ``"black"``.

    Raises:
        UsageError: an option out of range.
    """

    patch: float = option(1 / 14, low=0, high=1)
    stride: float = option(0.5, low=0, high=1)
    fill: str = option("mean", names=BASELINES)

    def __post_init__(self) -> None:
        """Refuse options out of range."""
        check_options(self, method="occlusion")


def patch_starts(length: int, *, side: int, stride: int) -> Tensor:
    """Return where patches start along an axis, (T,) int64; the last one ends where the axis does.

    Example:
        >>> patch_starts(10, side=4, stride=4)
        tensor([0, 4, 6])
    """
    starts = list(range(0, length - side, stride))
    return torch.tensor([*starts, length - side])


def covered_places(starts: Tensor, *, side: int, length: int) -> Tensor:
    """Return which places of an axis each patch covers, (T, length) bool."""
    places = torch.arange(length)
    return (places >= starts[:, None]) & (places < starts[:, None] + side)


def _maps(
    model: nn.Module, images: Tensor, outputs: Tensor, *, settings: OcclusionSettings, resources: Resources
) -> Tensor:
    height, width = images.shape[-2:]
    side = max(1, round(settings.patch * min(height, width)))
    stride = max(1, round(settings.stride * side))
    rows, columns = (
        covered_places(patch_starts(length, side=side, stride=stride), side=side, length=length).to(images.device)
        for length in (height, width)
    )
    fills = baselines(images, kind=settings.fill)

    def compose(owners: Tensor, numbers: Tensor) -> Tensor:
        owners, numbers = owners.to(images.device), numbers.to(images.device)
        patches = (numbers - 1).clamp(min=0)
        # The first of each image's passes sees it as it is.
        down = rows[patches // len(columns)] & (numbers > 0)[:, None]
        across = columns[patches % len(columns)]
        covered = (down[:, :, None] & across[:, None, :])[:, None]
        return torch.where(covered, fills[owners], images[owners])

    passes = 1 + len(rows) * len(columns)
    logits = logits_of_draws(model, images, outputs, compose=compose, draws=passes, batch_size=resources.batch_size)
    losses = (logits[:, :1] - logits[:, 1:]).view(-1, len(rows), len(columns))
    down, across = rows.to(losses), columns.to(losses)
    patches_over = down.sum(dim=0)[:, None] * across.sum(dim=0)
    return ((down.T @ losses @ across) / (patches_over * side**2))[:, None]


OCCLUSION = AttributionMethod("occlusion", _maps, Settings=OcclusionSettings)
